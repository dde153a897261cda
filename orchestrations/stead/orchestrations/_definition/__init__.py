"""What a decorated function is, known before anything runs: checked once, when the module of the user is imported.

In which order to read it: `signature` is what both kinds of functions are asked for, `activity` and `orchestration` are what
the decorators make of them, `input` is what they take, `questions` are what an orchestration is asked and told. `retry`, `limits`, `activity_limits`, `local` and `versions` are their options, `registry` finds them by
name. `awaited_events` reads an orchestrator's code for the events that it waits for, by `function_source`. `determinism` reads an orchestrator's code for what cannot be replayed; `determinism_calls`, `determinism_globals` and
`determinism_sets` are what it looks for, `determinism_bindings` and `determinism_types` what names and annotations tell it.
"""
