"""An orchestrator's code and what it runs on: events in, what the code wants out. Nothing here does I/O or knows a store.

In which order to read it: `execution` is the whole of it: a turn takes events and gives `wants`, with the `outcome` in the
end, and by which of `time_outs` it came. `commands` is what the code can ask for and has asked for; `recorded` compares that with the history, by `stored_form`,
and `drawn` is what looks random to it. The code runs on `loop`, with `ordering` (the same order in every run), `handles` (what
it is given to run), `closing` (how that is left), `refused` and `unsupported` (what it does not do).

What the code sees: `context`, which is `asking` for `calls` (each a `durable_task`), `call_http`, `event_wait` (from the mailbox
of `external_events`), `locking` (by the rules of `sections`) and `sharing`, with the updates that run. They know the execution by its `commands` only. `code` and
`resolver` are what an execution asks of definitions, `decorators` which functions can be orchestrators. `log_filter` tells lines of a replay from others. `unawaited` warns of
an `await` that was forgotten, `replay_check` asks whether code does what a history says, and `picture` whether an object has
changed.
"""
