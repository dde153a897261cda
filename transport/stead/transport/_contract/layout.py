"""What a hub may be called, and whether this program can work with one as it was made, wherever it is."""

from __future__ import annotations

import re
from typing import Any

from .errors import HubMismatch, InvalidInput
from .records import HubLayout
from .settings import Settings

FORMAT = 1  # of the keys and values in the store, as this version writes them
FORMAT_CASKETS = 2  # of a hub whose payloads go through a codec: earlier versions would take them for damaged
FORMAT_CATALOGUE = 2  # of a hub with indexes or feeds: earlier versions would change states and not these
FORMATS = frozenset({1, 2})  # those that this version can work with

_HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{2,44}")


def check_hub_name(hub: str, what: str = "task hub") -> None:
    """Raise `InvalidInput` unless it may be a task hub's name. `what`: whose name it is."""
    if not isinstance(hub, str) or not _HUB_NAME.fullmatch(hub):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(
            f"{what} name {hub!r}", 'it is a letter, then letters, digits and "-"; 3 to 45 characters in all'
        )


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


def check_worker(layout: HubLayout, settings: Settings) -> None:
    """Raise `HubMismatch` if a worker could not read what is in the hub. (A client may still look, count and manage.)"""
    if layout.coded and settings.payload_codec is None:
        raise HubMismatch(
            layout.name,
            "its payloads are encoded, and this worker has no codec to read them: set STEAD_PAYLOAD_CODEC, or "
            "Settings(payload_codec=…), to the one that the other workers have",
        )
    if layout.apart and settings.large_payloads is None:
        raise HubMismatch(
            layout.name,
            "its large payloads are kept elsewhere, and this worker is not told where: set STEAD_LARGE_PAYLOADS, or "
            "Settings(large_payloads=…), to the place that the other workers have",
        )
