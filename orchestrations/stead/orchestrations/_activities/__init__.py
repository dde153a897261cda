"""How a worker carries out activities: its own, and those of shared queues. Users' code runs here, and may take its time.

In which order to read it: `job` is one activity from its task (`own_task`, if that was asked for here) to its result (`context` what its code may ask, and `spans` when it ran), `routes` and `placing` say where it goes, `limits_here` what the code knows of its limits (and `limit_views` what people see of all), `not_run` what becomes of what is not run. `runner` has them
all: `slots` says which run now (on `carriers`, local ones at first in a task on `standby`, or for plain functions in `threads`), `shared_queue` takes and keeps those
of queues, `results` completes them, `watches` ends those that take too long, `tenure` is what there is of one tenure, `suspects` are those that may have ended a worker, and
`leftovers` those whose results may. `http_activity` is the one behind
`context.call_http`, and `http_origins` says to whom its headers may go.
"""
