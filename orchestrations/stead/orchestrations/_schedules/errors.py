"""What goes wrong with schedules."""

from __future__ import annotations

from stead.transport import SteadError


class UnknownSchedule(SteadError):
    """There is no schedule of this name: it was never made, or it has been deleted."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)

    def __str__(self) -> str:
        return f"schedule {self.name!r} does not exist: it was never made, or it has been deleted"


class ScheduleExists(SteadError):
    """There is another schedule of this name; nothing was changed."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)

    def __str__(self) -> str:
        return f"schedule {self.name!r} exists already, and is another one: delete it first, or take another name"
