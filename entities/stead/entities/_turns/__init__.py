"""Turns of entities: an operation is run, and undone if it fails. Called by a partition, which knows it as a `Kind`.

In which order to read it: `entity_kind` takes turns, on what it has of an activation (`body`); `known` is what the
activations of an entity share. `outcomes` says what comes of turns, `batching` runs many messages at once: a `batch`. `turn`
is one of them, and collects what its operation sends, `spans` say when it runs; `cell` is what a turn needs of a state, `class_cell` and
`function_cell` are the two forms of it, `aggregate_cell` that of a class with aggregates. `locks` are critical sections as an
entity sees them, `reminding` its reminders, `expiry` how it ends by itself, and `held` names who kept a worker from
everything else.
"""
