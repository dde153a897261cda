"""What a benchmark is: two sides that measure, a unit, and perhaps a bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .cpu import Cpu
from .server import Address


@dataclass(frozen=True, slots=True)
class Sample:
    """What one side of one run gave: the value that counts, and others worth knowing."""

    value: float
    details: Mapping[str, float] = field(default_factory=dict[str, float])
    cpu: Cpu | None = None
    """Processor time, in microseconds an operation."""


Side = Callable[[Address, float], Sample]
"""Measures at an address; the second argument scales how much is sent (1.0: as published)."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One row: what is measured, and what it has to reach."""

    name: str
    question: str
    unit: str
    better: Literal["more", "less"]
    stead: Side
    raw: Side | None
    variant: str = ""
    required: float | None = None
    """Bound on stead's value divided by the raw one: at least this if more is better, else at most."""

    @property
    def label(self) -> str:
        """Its name with its variant."""
        return f"{self.name} {self.variant}".rstrip()

    def passes(self, ratio: float) -> bool:
        """Whether a ratio is within the bound."""
        if self.required is None:
            return True
        return ratio >= self.required if self.better == "more" else ratio <= self.required
