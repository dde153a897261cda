"""The store on a server, Redis or Valkey: every atomic step is one Lua script.

In which order to read it: `keys` says what is called what, `signature` and
`signatures` (with `commit_signature`, `index_signatures`, `group_signatures` and `task_signatures`) what each script is given and gives, `scripts` and `lua/`
are the steps themselves. `wire` is one connection (`tls` beside it, `blocking_wire` for a thread without an event loop),
`link` one that reconnects, `gathering` several callers' reads in one pipeline, `answers` what the server's errors mean. `base` is what all methods share; then a file per
user of the store: `clients` (with `enqueueing`, which packs batches of messages, and `listing`, a cursor), `workers` (with `commit`, which packs commits, `inbox_request`, which packs a read,
and `renewer`, which prolongs leases), `activities`, `indexes`, `groups`, `inspection`, `values`. `server` asks whether a server will do, and `store` puts
it all together and opens it.
"""
