"""What goes from one target to another: addresses, messages and answers, as values and as bytes. It only computes.

In which order to read it: `ids` is how an entity is addressed. `envelope` is how a message and a reply look in
the store, `letters` a dead letter, `sealed` how they look with users' data in caskets, `trace` to which trace a message belongs, `record` what is stored of an entity, `reminders` a part of that; `shards` are the targets in which one entity may be kept. `failures` says what an error looks like in
them, `errors` which ones callers get back.
`times` and `starts` are the arguments of what is to come later, and of what starts an orchestration; `rhythm` is what comes
again and again, `cron` one way to say when. `due` is what tells an entity that it expires.
"""
