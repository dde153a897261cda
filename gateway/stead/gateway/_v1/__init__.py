"""The API of this server itself, below `/api/v1`.

In which order to read it: `models` is what requests and answers look like, `common` what the handlers share. Then by noun:
`entities`, `instances` (handlers; their table is `instance_routes`), `schedules` (`schedule_models`), `hub` (with dead
letters), `metrics` (`metrics_models`), the same for Prometheus (`exposition`) with `health`; `doctor` (`diagnosis`) says what is wrong, `doing` what one entity does. Streams of events are `events`,
which, as every request that waits, looks again and again with `watching`. Signals in bulk go from `signals` (the route) to
`lines` (the body) to `ingestion` (the hub).
"""
