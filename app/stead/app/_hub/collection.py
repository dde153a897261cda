"""Python's garbage collector in a process that is a worker's.

A worker holds many small objects for long (messages, activations, histories), and most of what it makes is gone before the
collector could find it. With Python's own thresholds the collector looks at all of them again and again: a third of a
worker's time with 100,000 entities.
"""

from __future__ import annotations

import gc

from stead.transport import Settings

THRESHOLDS = (50_000, 20, 100)
"""A look at the young objects once 50,000 more were made than freed, which is some batches; at the middle ones every
20th time, and at all once in 2,000 (and then only if a quarter is new, as Python has it)."""

_BEFORE = gc.get_threshold()  # this is imported before any code of a user


def tune_collection(settings: Settings, *, of_command: bool) -> None:
    """Have the collector look less often, and never at what was made so far. To be called when start-up is over.

    The process of a command (`of_command`) is ours, unless the program has said otherwise in code, by thresholds of its own;
    another one is its program's, and is left alone unless the settings say so.
    """
    match settings.garbage_collection:
        case "tuned":
            pass
        case "auto" if of_command and gc.get_threshold() == _BEFORE:
            pass
        case _:
            return
    gc.set_threshold(*THRESHOLDS)
    gc.collect()  # what is frozen is kept for ever
    gc.freeze()
