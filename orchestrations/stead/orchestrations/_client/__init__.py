"""What programs do with instances: start, look, wait, manage, purge. It sends messages and reads the store.

In which order to read it: `queries` is what is read of instances, and which are meant; `reading` offers that to users,
`telling` what asks and tells an instance something, and `client` all else that changes one; `schedules` is the hub's schedules.
`starts` makes the start of an instance of what a caller has written, and `begun` knows what was started and whether that is
waited for.
`many` is the client, with what is done to many at once, and `producer` sends many events.
"""
