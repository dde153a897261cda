"""How an instance's messages become history, and what its code asks for becomes effects. Only computes: a commit follows.

In which order to read it: `kind` is the seam to entities, which gives messages and takes effects; `turn` is what one run has
at hand. Then what messages do: `starting` and `beginning`, `answers` (and timers, events: those that wait in a row `event_rows`, those that came for nobody `late`), `managing` (what people do),
`telling` (what they ask and tell it), `rewinding`. `driving` runs the code and carries out what it wants, `issuing` turns a scheduled event into a task, a timer or a
message; `ending` is the end, whatever brings it about, `spans` what is told of all that to whoever traces, and `children` are the instances that it started. `well_formed` is for
tests.
"""
