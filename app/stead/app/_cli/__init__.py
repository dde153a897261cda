"""What can be typed: the command `stead`, its commands, their arguments and options.

In which order to read it: `main` starts and ends the process and imports next to nothing, so that `stead --help` is quick;
`options` is what commands have in common; `commands`, `tables`, `payloads`, `orchestrations` and `watching` are the commands.
What they do is in `_commands`.
"""
