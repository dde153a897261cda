"""The patterns that orchestrations are used for, one module each, to be copied from: `python -m examples.patterns`."""
