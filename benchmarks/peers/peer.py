"""What a peer is: where it comes from, what it promises, and how each workload is measured on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measures import Sample

from .environments import Recipe
from .workloads import Workload

Measure = Callable[[Path, int], Sample]
"""Measures so many operations on servers of its own, which it stops again; the path is the peer's environment."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One column of the table."""

    name: str
    title: str
    durability: str
    """With which settings what it says is done is on the disk."""
    recipe: Recipe
    measures: Mapping[str, Measure]
    """By the workload's name."""
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    """By the workload's name: why there is no figure, or what a figure does not say."""
    share: Mapping[str, float] = field(default_factory=dict[str, float])
    """By the workload's name: which part of the usual count it gets, for what would take minutes."""

    def count(self, workload: Workload, size: float) -> int:
        """How many operations are measured."""
        return workload.count(size * self.share.get(workload.name, 1.0))
