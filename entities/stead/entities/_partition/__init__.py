"""One partition, while a worker holds it: what it has received, who may take turns, what to commit. It does no I/O.

In which order to read it: `pending` is a message on its way, `activation` a target in memory, and what a kind of
targets has to be able to do. `intake` brings messages and records in, `partition` gives turns (`underway` is an operation that goes on after one) and commits out. A
`slice` is the time that it gives for turns, `effects` collects what they bring about (of `others` it knows this, and of tasks those that may begin `at_once`), `building` makes a commit of
that (and `indexing` what it changes in indexes), `expiring` knows what is due to end (and `uses` when an entity was used), `eviction` says what may go from memory; `hops` are messages that are handed over in memory, to other partitions of the
same worker; the `environment` is what it needs of the world.

The rest is about bad days: `parking` is where messages wait that are too many, `suspects` are those that may have
ended a worker, `careful` keeps what may have until it is marked, `waking` counts those
who died where no message was, `deadly` says whose loading or turns did,
`holding` keeps what has come of an operation while there is no room for it, `blame` is for turns that fail in stead itself, `refusal` is the kind of targets that cannot exist.
`well_formed` says for tests what holds between two steps.
"""
