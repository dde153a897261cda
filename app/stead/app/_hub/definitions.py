"""What a program has defined of a hub, as clients and workers are given it: they know nothing of the `App` that made them."""

from __future__ import annotations

from dataclasses import dataclass

from stead.entities import Registry
from stead.orchestrations import OrchestrationRegistry
from stead.transport import Settings


@dataclass(frozen=True, slots=True)
class Definitions:
    """A hub's name, its settings, and the kinds that are defined for it."""

    name: str
    settings: Settings
    registry: Registry
    orchestrations: OrchestrationRegistry
