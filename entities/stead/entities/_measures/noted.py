"""Runs of operations that were noted in passing, and are summed up later: where each entity has one message, a run is one message,
and to look up what counts it and to count it costs about as much as to run it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .recent import RUNS_KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .hottest import Hottest
    from .meter import Meter
    from .recent import RecentRuns

NOTED_MAX = 2_048
"""Runs that may wait to be summed up: some hundred kilobytes, and a millisecond's work."""

WORDS_MAX = 6 * NOTED_MAX
"""A run is six words, one behind the other: its meter, the target, the operation's name, how often it ran in a row, when the last of
them had ended, and how long they took: seconds. (A row for each would be one more object that the garbage collector looks at.)"""


def sum_up(noted: list[Any], hottest: Hottest, recent: RecentRuns) -> None:
    """Take noted runs into their meters, count the messages of their targets, and remember the last of them."""
    meters, targets, names, counts, ended_s, seconds = (noted[word::6] for word in range(6))
    if counts.count(1) == len(counts):  # many entities: each run is one message
        for meter, values in _by_meter(meters, seconds):
            meter.add_each(values)
        hottest.note_each(targets)
    else:
        for meter, count, took_s in zip(meters, counts, seconds, strict=True):
            meter.add_run(count, took_s)
        hottest.note_all(targets, counts)
    last = slice(-RUNS_KEPT, None)
    rows = zip(targets[last], names[last], counts[last], ended_s[last], seconds[last], strict=True)
    recent.runs.extend(rows)


def _by_meter(meters: Sequence[Meter], seconds: Sequence[float]) -> Iterable[tuple[Meter, Sequence[float]]]:
    """The values of each meter."""
    if len(set(map(id, meters))) == 1:  # most of the time, where it matters
        return [(meters[0], seconds)]
    of: dict[int, tuple[Meter, list[float]]] = {}
    for meter, took_s in zip(meters, seconds, strict=True):
        of.setdefault(id(meter), (meter, []))[1].append(took_s)
    return of.values()
