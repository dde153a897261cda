"""What is stored of an instance and sent to it, as plain data. Nothing here runs anybody's code, waits or reads a clock.

In which order to read it: `events` is what a history consists of, `event_table` says which number stands for which and
which answers which, `event_codec` makes bytes of them, whose fields `event_types` looks at; `record` is the row that
stands for the instance beside its history, `messages` what instances are told. `sealed` is how these look with users' data in caskets. `ids` are those that follow from others,
`instants` says which numbers are times that can be shown, `data` is how what people give is stored. Told from a history: `ledger` (what is open in it), `waits` (for what it
waits, for people), `first_runs` (when the code came to what), `status` (what people see of it), `export` (as JSON and
back). `failures` is an error as data, `errors` are those that users catch. `well_formed` says for tests what holds
between two commits.
"""
