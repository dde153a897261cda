"""From messages to batches that the store has accepted, in order and each once.

In which order to read it: `chain` says what the answer to a batch means for those after it, and only computes. `lane` is
what waits for one partition. `sender` has them all and talks to the store; `sources` opens producers of sources, and
`losses` is about what a server had acknowledged and has lost.
"""
