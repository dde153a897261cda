"""What tells an entity that it is due to expire: a message that is in no store, so that nobody can send it."""

from __future__ import annotations

from dataclasses import dataclass

from .envelope import Message


@dataclass(slots=True)
class Due(Message):
    """Says to an entity that it is due to expire, in the memory of who holds its partition."""

    of_set: str = ""
    score_ms: int = 0  # when it was due, by that set
    done: bool = False  # its turn is over


def due_message(target: str, operation: str, of_set: str, score_ms: int) -> Due:
    """It runs `operation`, if it is still so when its turn comes."""
    return Due(target, operation, (), b"", None, None, None, None, None, of_set=of_set, score_ms=score_ms)
