"""Terminal and process: what every command needs and no command is.

In which order to read it: `request` is one command's run, from `loading` the app to `faults`, the line and the exit status
when it fails. `screen` prints tables, `progress` a bar, `words` translates between the command line and values, `logs` is what long-running
commands write, `telemetry` what they tell OpenTelemetry (by `exporters`). `interrupts` is ctrl-c outside of a run; `loops` the event loop.
"""
