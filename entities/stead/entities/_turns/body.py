"""An entity's activation as its kind has it: the state's cell, and what few of them have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .batch import MessageBatch, Trouble
    from .cell import Cell
    from .known import Known
    from .locks import LockState
    from .reminding import Reminders
    from .turn import Turn


class EntityBody:
    """An entity's activation: its cell, and what few of them have."""

    __slots__ = ("batch", "cell", "known", "lock", "reminders", "trouble", "turn")

    def __init__(self, known: Known, cell: Cell) -> None:
        self.known = known
        self.cell = cell
        self.lock: LockState | None = None  # it has never been locked, as far as this worker knows
        self.reminders: Reminders | None = None  # the same
        self.turn: Turn | None = None  # that of the asynchronous operation that runs
        self.batch: MessageBatch | None = None  # the messages of that; None: the first one alone
        self.trouble: Trouble | None = None  # a batch has failed
