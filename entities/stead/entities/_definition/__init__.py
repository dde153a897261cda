"""What users define, and what is known of it before anything runs: entities, operations, states. It only computes.

In which order to read it: `entity` is the class that users derive theirs from, `class_rules` says what they may write
there, `context` is what their operations see. `entity_type` is what worker and client know of a registered entity, by
its `operations` and its `class_state` (with aggregates a `marked_form`; its bytes: `packing`); `registry` has all of
them. `addressing` makes a message of what a caller writes. `indexed` are fields that one can query by, `placed` says which
values of them cannot be, and `batched` are operations on many messages.

Which types are allowed, and whether a value comes back as it was, is decided in `schema`, `schema_exact`, `values`
and `sameness`. `annotations` and `own_defaults` look at functions, `client_text` at what clients of Durable Functions
send; `signals_later` is what a context's `after` and `at` give, `reminding` what its `reminder` gives,
`argument_schemas` what is published for forms, `expiring` is what ends an entity that expires,
`sharding` what one in shards must have, `own_context` what only stead's own entities can do.
"""
