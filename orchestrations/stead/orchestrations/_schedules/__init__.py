"""Schedules: entities of a built-in kind, which start instances and send signals again and again. It only computes.

In which order to read it: `spec` is what a schedule is told to do, and when; `occurrences` finds the times. `schedule` is the
entity: what it does when it is due and when it is told that a run has ended. `making` makes a spec of what a caller writes,
`status` is what there is to show of one, `errors` what goes wrong.
"""
