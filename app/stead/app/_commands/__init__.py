"""What each command of `stead` does. What can be typed is in `_cli`, which imports these when they run.

In which order to read it: any one by its name. `entities`, `querying`, `tables`, `payloads`, `changes`, `orchestrations`, `manage`, `purge`, `replay`, `schedules`,
`dead_letters`, `info`, `entity`, `doctor`, `drain` and `top` ask a hub (`views` shows instances). `worker`, `dev` and `serve` go on until they are stopped:
`processes` keeps a worker's child processes, `dev_http` the HTTP API in `stead dev`, `probes` answers
who asks a worker how it is, and `systemd` is told. `plan` computes how much memory a hub
takes. `new` writes a project, whose files lie in `new_project`.
"""
