"""How fast stead is, beside a bare loop over the same server: `python -m benchmarks list`."""
