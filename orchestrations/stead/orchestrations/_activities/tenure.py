"""What a worker has of the activities of one tenure of a partition."""

from __future__ import annotations

from .job import Job
from .leftovers import Leftovers


class Tenure:
    """The own activities of one tenure of a partition."""

    __slots__ = ("careful", "jobs", "left", "seen", "suspicious")

    def __init__(self) -> None:
        self.suspicious = self.careful = False  # what earlier owners left may have ended them
        self.jobs: dict[bytes, Job] = {}  # until their results are recorded
        self.seen: set[bytes] | None = None  # while its tasks are read: those that came or went meanwhile
        self.left = Leftovers()
