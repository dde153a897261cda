"""An orchestrator's code and what it runs on: events in, scheduled events out. Nothing here does I/O or knows a store.

In which order to read it: `execution` is the whole of it; `loop` is what the code runs on, with `ordering` (the same order in
every run) and `unsupported` (what is refused there). `recorded` compares what the code asks for with its history, by
`stored_form`; `wanted` is what it asked for and was not taken yet, `drawn` what looks random to it; `outcome` is how it ended.

What the code sees: `context`, whose calls are `calls` (each a `durable_task`), `call_http`, `event_wait` (from the mailbox of
`external_events`) and `locking` (by the rules of `sections`). They know the execution by what `commands` says only. `code` and
`resolver` are what an execution asks of definitions, `decorators` which functions can be orchestrators. `unawaited` warns of
an `await` that was forgotten, and `replay_check` asks whether code does what a history says.
"""
