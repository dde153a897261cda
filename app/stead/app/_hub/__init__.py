"""A hub opened by a program that has an event loop: a client, a worker, and what there is to know of it.

In which order to read it: `definitions` is what an `App` gives to all who need it, `client` and `worker_run` are the two ways
to open a hub with that (`opening`). `info` gathers what `stead info` shows. `environment` explains settings that cannot be; `hash_seed` is
why a set of texts has one order in all workers, `instruments` is what OpenTelemetry is told of them, `collection` what a worker's process asks of Python's garbage collector.
"""
