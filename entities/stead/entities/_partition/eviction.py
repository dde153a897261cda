"""What a partition may drop from memory, and dropping it (HAZARDS 8)."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from collections.abc import Set as AbstractSet

from .activation import LOCKED, READY, Activation


def idle_of(activations: Iterable[Activation], before: int, flying: AbstractSet[Activation]) -> list[Activation]:
    """Those that have received nothing since a round, and of which nothing is in flight."""
    return [activation for activation in activations if activation.used <= before and _is_idle(activation, flying)]


def _is_idle(activation: Activation, flying: AbstractSet[Activation]) -> bool:
    return (
        (activation.phase is READY or activation.phase is LOCKED)
        and not activation.mailbox
        and not activation.express
        and not activation.more
        and not activation.dirty
        and activation.park is None
        and activation not in flying
    )


def forget(activation: Activation) -> None:
    """Its kind lets go of it."""
    if activation.kind is not None:
        # Code that is dropped runs on its way out: the others are to go as well.
        try:  # noqa: SIM105 - `suppress` takes longer than all the rest, and many may go at once
            activation.kind.forget(activation)
        except BaseException:  # noqa: BLE001, S110 - see above
            pass


def drop_gone(
    activations: MutableMapping[str, Activation], activation: Activation, flying: AbstractSet[Activation]
) -> None:
    """Drop one that the store has nothing of, if nothing of it is in flight."""
    if not activation.stored and _is_idle(activation, flying):
        del activations[activation.target]
        forget(activation)
