"""The same client for programs without an event loop: Django, Flask, scripts.

In which order to read it: `portal` is a client on a loop in a thread of its own, and how work gets there; the rest are the
asynchronous methods without `await`: `client`, of which `orchestrations` is a part, `query`, `changes`, `schedules` and `producer`.
"""
