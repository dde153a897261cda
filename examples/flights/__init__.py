"""All flights out of New York in 2013, streamed to entities while a worker is killed: `python -m examples.flights`."""
