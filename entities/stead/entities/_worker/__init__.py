"""The worker: carries messages in and commits out, for as long as it holds partitions. All that waits is here.

In which order to read it: `worker` starts and ends everything, `board` is what its parts share, `turns` what they want of
the one that gives turns. The parts:
`membership` takes and gives back partitions (`leases` decides which), `lease_keeper` prolongs their
leases, `inbox` reads (`reading`), `turn_runner` gives turns in the order of its `rota` (what of their tasks
may begin `at_once`, between them; an asynchronous operation ends `within` its limit), `commits` writes
(`undeliverable` is what no commit can hold), `timers` and `parks` fetch what is due or waits,
`indexes` knows the catalogue and builds what is new in it, `sharding` in how many shards what is kept, `ends` sees to entities that nobody uses. `extension` and `hooks`
are how other packages take part.

`quarantine` says which partitions are let alone, `program` what code this process runs,
`said` what the other workers say, `wishes` what people want of them, `measuring` what this one tells of itself and `running` which operations run; `loop_errors` is about errors that nobody else sees, `parts` about parts that
something else has ended.
"""
