"""A server of one's own in a folder, for development and for programs on one machine.

In which order to read it: `supervisor` is a small process that runs the server and stops it after the last user; it
imports nothing of stead and is started by its path. `server` finds or starts the one of a folder and attaches this
process to it. `store` is the store on it.
"""
