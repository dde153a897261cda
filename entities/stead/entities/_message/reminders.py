"""The reminders of an entity, as its record has them: what is due when, and what is sent then.

The timer that fires is a hint. It carries a name and a generation, and whether that reminder still stands is for the record to
say: one that was cancelled or set anew since then is another generation, wherever the firing is on its way (HAZARDS 99).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from stead.transport import InvalidInput

from .rhythm import Rhythm, rhythm_of

NAME_LENGTH_MAX = 256

EXPIRY = "\0expiry"
"""The name of the reminder by which an entity expires. Nobody can write it."""

NOW = b""
"""The generation of a firing that only says: see whether the entity expires."""

EXPIRE = "!expire"
"""What it runs."""


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder of an entity."""

    generation: bytes  # random: no other one, of whatever name, has it
    due_ms: int
    rhythm: Rhythm | None  # None: it is due once
    envelope: bytes  # the message, as a signal

    def after_firing(self, now_ms: int, generation: bytes) -> Reminder | None:
        """What it is after it has been due; None if it does not come again. One that missed some goes on after now, and one
        that is due early, because a clock was set back, is not due then once more (HAZARDS 102)."""
        due_ms = None if self.rhythm is None else self.rhythm.next_after(max(now_ms, self.due_ms))
        return None if due_ms is None else replace(self, generation=generation, due_ms=due_ms)


def check_reminder_name(name: str) -> str:
    """A reminder's name, if it can be one. Raises `InvalidInput` otherwise."""
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"reminder {name!r}", "a name is text")
    if not 0 < len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise InvalidInput(f"reminder {name[:40]!r}", f"a name has 1 to {NAME_LENGTH_MAX} printable characters")
    return name


def reminder_timer_id(target: str, name: str) -> bytes:
    """The timer of a reminder. No stream ID, and no timer of an instance, is like it."""
    return b"r:" + hashlib.blake2b(f"{target}\0{name}".encode(), digest_size=16).digest()


def encode_reminders(reminders: Mapping[str, Reminder]) -> dict[str, object]:
    """For a record."""
    return {
        name: (
            reminder.generation,
            reminder.due_ms,
            None if reminder.rhythm is None else reminder.rhythm.as_data(),
            reminder.envelope,
        )
        for name, reminder in reminders.items()
    }


def decode_reminders(data: object) -> dict[str, Reminder]:
    """From a record. Raises `InvalidInput` for what is none."""
    if not isinstance(data, dict):
        raise InvalidInput("record", "what it says of the entity's reminders is not what stead writes")
    found: dict[str, Reminder] = {}
    for name, parts in cast("dict[object, Any]", data).items():
        match name, parts:
            case str(), [bytes() as generation, int() as due_ms, rhythm, bytes() as envelope]:
                found[name] = Reminder(generation, due_ms, rhythm_of(rhythm), envelope)
            case _:
                raise InvalidInput("record", "what it says of the entity's reminders is not what stead writes")
    return found
