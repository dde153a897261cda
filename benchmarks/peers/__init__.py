"""What one could use instead, on the same workloads, interleaved with stead: `python -m benchmarks.peers`."""
