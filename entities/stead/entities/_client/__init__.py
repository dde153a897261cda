"""The client's side: signals, calls and reads, from what a user writes to what is in the store.

In which order to read it: `client` is what users have, `reader` the part of it that reads. `outgoing` makes messages, checked by what is registered here
or `published` by workers. `producer` sends many, `scheduled` later; `calls` (so many at once: `slots`) waits for answers,
which `replies` reads, and `no_answer` finds out why there is none. `listing`, `dead_letters` and `measured` show what is in the hub,
`query` is what users write to ask for some of it (`querying`, `query_subject`, `query_hub`, `query_reader`, `query_looks`, `query_counts`, `query_signals`, `indexes`; for people: `index_progress`),
`following` is how users follow what changes: `changes` reads it, and `cursor` says where a reader is; `change_groups` reads it as one of a group,
whose partitions are shared by `change_sharing`, and `group_progress` shows how far one is,
`expiring` tells entities that they expire, `sharding` knows what is kept in shards, `merging` makes one of them,
`bulk` is the border for a gateway that takes many signals in one request.
"""
