"""What a turn of an orchestrator's code gives: everything that the code wants, as a value. Whoever called applies it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple, TypeAlias

from stead.orchestrations._history.events import Event

from .outcome import Outcome

Asked: TypeAlias = tuple[Event, bytes]
"""Something that the code has scheduled, or a patch, and its bytes for the log, packed when the code asked for it."""


class Unchanged:
    """In place of a custom status: the code has set none."""


UNCHANGED: Final = Unchanged()


class Wants(NamedTuple):
    """See the module. What has ended wants nothing but its end, and what it had asked for before."""

    called_off: Sequence[int] = ()
    """Numbers of what nobody waits for any more: unset the timers, tell the activities to end. (Of a turn that is committed in
    parts, these have to be in the first part.)"""
    asked: Sequence[Asked] = ()
    """First the patches, which are in the first part of such a turn as well, then the rest in the order of the numbers."""
    custom_status: object = UNCHANGED
    """Plain data, to be shown from now on."""
    outcome: Outcome | None = None
    """How the code has ended, if it has."""
    ending: Sequence[int] = ()
    """Numbers of activities that are to end, for whose end the code waits."""
    at_once: Collection[int] = ()
    """Numbers of activities, among what is asked for, that may begin before anything of this is stored."""


NOTHING: Final = Wants()
