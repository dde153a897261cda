"""Removes large payloads that nothing in a hub names any more.

In this order: list what is there, then look at all that the hub holds, then remove what is named nowhere and was not touched
within the grace before the listing. Whoever stores something that names a payload touches that first; so what is named later than the
look was touched within the grace, or is there for a writer that takes longer than that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from .blobs import Blobs, remove_untouched
from .large import references_in


@dataclass(slots=True)
class Collected:
    """What a collection found and did."""

    kept: int = 0
    """Payloads that something names, …"""
    young: int = 0
    """… that nothing names, but that were touched within the grace, …"""
    removed: int = 0
    """… and that were removed, or would be."""
    removed_bytes: int = 0
    missing: int = 0
    """Payloads that something names, and that are not there."""


async def collect(
    blobs: Blobs, values: Callable[[], AsyncIterator[bytes]], grace_ms: int, *, dry_run: bool = False
) -> Collected:
    """Remove what nothing names. `values`: all that the hub holds, what moves by itself last at the place to which it moves."""
    since_ms = await blobs.now_ms() - grace_ms
    listed = [each async for each in blobs.listed()]
    named = await names_in(values())
    found = Collected(kept=len(named & {each.name for each in listed}))
    found.missing = len(named) - found.kept
    for each in listed:
        if each.name in named:
            continue
        if each.touched_ms >= since_ms or not (dry_run or await remove_untouched(blobs, each.name, since_ms)):
            found.young += 1
        else:
            found.removed += 1
            found.removed_bytes += each.bytes
    return found


async def names_in(values: AsyncIterator[bytes]) -> set[str]:
    """The payloads that are named in any of these."""
    return {reference.name async for value in values for reference in references_in(value)}
