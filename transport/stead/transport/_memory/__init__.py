"""The store in this process: the twin of the one on a server, step by step, on dictionaries.

In which order to read it: `state` is what a hub holds, plain data that can be copied (`streams`, `queues`, and `limits` of what is taken from these). `steps` are the atomic steps of
clients and workers, `commits` the one that writes commits, `instances` those of instances and activities (`taking` the one that takes from queues), `indexes` the sets that commits change and queries read, `groups` (`living`) those who read feeds; none of them
waits or reads a clock. `base` carries them out: one lock, one clock, blocking reads (`waiting`), and what a real server does
to its clients (`faults`). `clients`, `activities`, `values` and `store` are the methods of the `Store` protocol. `well_formed` says for
tests what holds between two steps.
"""
