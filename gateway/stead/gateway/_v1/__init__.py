"""The API of this server itself, below `/api/v1`.

In which order to read it: `models` is what requests and answers look like, `common` what the handlers share. Then by noun:
`entities`, `kinds` (`kind_models`: what is published for forms), `instances` (handlers; their table is `instance_routes`, which ones are meant `instance_selection`),
`many_instances`, `schedules` (`schedule_models`), `hub`, `dead_letters` (`letter_models`), `workers`, `tables` (SQL), `counting`, `metrics` (`metrics_models`), the same for Prometheus (`exposition`) with `health`; `doctor` (`diagnosis`) says what is wrong, `doing` what one entity does. Streams of events are `events` and `changes` (how they are sent: `streaming`),
which, as every request that waits, looks again and again with `watching`. Signals in bulk go from `signals` (the route) to
`lines` (the body) to `ingestion` (the hub).
"""
