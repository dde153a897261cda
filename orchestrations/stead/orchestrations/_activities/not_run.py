"""The failures of activities that are not run."""

from __future__ import annotations

from .job import Outcome, failed


def unknown(name: str) -> Outcome:
    """The failure of an activity that no living worker has."""
    return failed("ActivityNotFound", f"no worker that is running has an activity named {name!r}")


def poisoned(name: str, tries: int) -> Outcome:
    """The failure of an activity that ends workers."""
    return failed("PoisonActivity", f"{tries} workers ended while they were running {name!r}; it is not tried again")
