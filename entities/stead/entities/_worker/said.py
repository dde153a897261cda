"""What a worker said of itself with its last heartbeat, as far as this version can read it.

Other versions of stead live in the same hub: what they say in another shape is left out, and must not end anyone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from stead.transport import LeftOut, WorkerView

from .wishes import is_drained


@dataclass(frozen=True, slots=True)
class Said:
    """The part of a heartbeat that others go by."""

    kinds: frozenset[str]
    waiting: Mapping[int, frozenset[str]]  # partition -> kinds for which messages wait there

    @classmethod
    def of(cls, view: WorkerView, left_out: LeftOut) -> Said | None:
        """None for a heartbeat of another shape, since nobody knows what such a worker can run; and for a drained worker."""
        if is_drained(view.info):
            left_out.readable("workers", view.worker)
            return None
        try:
            said = cls(names_in(view.info.get("kinds")), waiting_in(view.info.get("waiting")))
        except (TypeError, ValueError) as error:
            left_out.note("workers", view.worker, f"its heartbeat is of another shape ({error})")
            return None
        left_out.readable("workers", view.worker)
        return said


def names_in(value: object) -> frozenset[str]:
    """Names, whether they come alone or with what is said of each. Raises `TypeError` for anything else."""
    if value is None:
        return frozenset()
    if not isinstance(value, (list, tuple, dict, set, frozenset)):
        raise TypeError(f"names are a list or a map, not {type(value).__name__}")
    names: list[Any] = list(cast("Any", value))
    if not all(isinstance(name, str) for name in names):
        raise TypeError("names are text")
    return frozenset(names)


def waiting_in(value: object) -> dict[int, frozenset[str]]:
    """Partitions with the kinds for which messages wait there. Raises `TypeError` or `ValueError` for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"what waits is a map, not {type(value).__name__}")
    return {int(number): names_in(names) for number, names in cast("dict[Any, object]", value).items()}
