"""Turns of a partition together with what of their tasks may begin before the commit: local activities."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stead.entities._partition.partition import Partition, Started

    from .hooks import Hooks


def turns_at_once(partition: Partition, stop_at: float, hooks: Hooks) -> list[Started]:
    """`Partition.take_turns`, in which tasks that may do so begin between two turns; those that end at once are answered in the
    next one, so that all of it is in one commit. Most begin within a run of who has asked for them; here begin those of who has
    none of its time left, and what is behind many that wait. Raises what a turn raises."""
    at_once = partition.effects.at_once
    if at_once.start is None:
        at_once.start = partial(hooks.may_begin, partition)
    started = partition.take_turns(stop_at)
    if not at_once.waiting:
        return started
    try:
        while at_once.waiting and _is_followed(partition, stop_at):
            at_once.begin()
            if partition.gone:
                break
            started += partition.take_turns(stop_at)
    except BaseException:
        for start in started:
            start.close()
        raise
    finally:
        at_once.leave()
    return started


def _is_followed(partition: Partition, stop_at: float) -> bool:
    """Whether another turn follows in this batch, so that what ends at once can be recorded by the same commit."""
    time = partition.slice
    return not (partition.gone or partition.draining or time.full or time.elapsed() >= stop_at)
