"""What OpenTelemetry is told. Nothing is computed, and none of it imported, until the program has set up an SDK.

In which order to read it: `switch` says whether it has. `carried` is the trace that a program is in, and where messages take
it from; `names` are those of spans and attributes, and `chosen_ids` their IDs where they are not drawn. `sending` is what a client's sends and calls are told as, `operations` an operation of an entity, `lasting` what has
lasted for long or was never in one process: it is told once, when the commit that ended it is in the store.
"""
