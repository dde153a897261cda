"""From messages to batches that the store has accepted, in order and each once.

In which order to read it: `chain` says what the answer to a batch means for those after it, and only computes. `lane` is
what waits for one partition, `room` how much waits in all. `outcomes` tells what became of each block, `losses` what a
server had acknowledged and has lost. `flusher` is the task that sends. `sender` is what others use of all this; `identity`
is who it is for the store, and `sources` finds out where a source stands.
"""
