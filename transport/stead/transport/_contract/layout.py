"""Whether this program can work with a hub as it was made, wherever the hub is."""

from __future__ import annotations

from typing import Any

from .errors import HubMismatch
from .records import HubLayout
from .settings import Settings

FORMAT = 1  # of the keys and values in the store, as this version writes them
FORMATS = frozenset({1})  # those that this version can work with


def check_layout(layout: HubLayout, settings: Settings) -> None:
    """Raise `HubMismatch` if this program cannot work with the hub, or asks for another layout than it has."""
    if layout.format not in FORMATS:
        raise HubMismatch(
            layout.name,
            f"it has format {layout.format}, and this version of stead knows {sorted(FORMATS)}; use the version of "
            "stead that wrote it, or a later one",
        )
    if layout.mode != "direct":
        raise HubMismatch(layout.name, f"its mode is {layout.mode!r}, which this version of stead does not support")
    asked: dict[str, Any] = {"partitions": settings.partitions, "slot_groups": settings.slot_groups}
    asked["slot_groups"] = min(settings.slot_groups, settings.partitions)
    for name, value in asked.items():
        if name in settings.model_fields_set and value != getattr(layout, name):
            raise HubMismatch(
                layout.name,
                f"it was made with {name}={getattr(layout, name)} and the settings ask for {value}; that cannot be "
                f"changed later: leave STEAD_{name.upper()} unset, or use another hub",
            )
