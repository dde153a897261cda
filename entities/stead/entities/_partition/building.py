"""Makes a commit of what turns have brought about: the effects, and the states and parks of the activations they changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from stead.transport import Commit, StreamId, Unpark
from stead.transport.describing import text_of

from .activation import Activation, Park
from .effects import Effects
from .indexing import Indexing


class Unstorable(Exception):
    """A settled state could not be packed when the commit was built. Handled by the partition's owner."""

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(target, reason)
        self.target = target
        self.reason = reason


def build_commit(
    commit: Commit,
    effects: Effects,
    activations: Mapping[str, Activation],
    now_ms: int,
    indexing: Indexing,
    *,
    linked: bool = False,
) -> list[Activation]:
    """Put all effects so far into a new commit; gives the activations whose state or park it changes.

    `linked`: it is written together with those of others. Raises `Unstorable` if a state can not be packed; then the effects
    are as they were.
    """
    changed = cast("list[Activation]", effects.changed_ones)
    states: list[tuple[str, bytes]] = []
    created: list[str] = []
    deleted: list[str] = []
    indexed: list[tuple[Activation, bytes | None]] = []
    for activation in changed:
        record = _record(activation, now_ms)
        if activation.indexes is not None or activation.told:
            indexed.append((activation, record))
        if record is not None:
            states.append((activation.target, record))
            if not activation.stored:
                created.append(activation.target)
        elif activation.stored:
            deleted.append(activation.target)
        activation.stored = record is not None
    for activation in changed:
        activation.dirty = False
    commit.states, commit.created, commit.deleted = states, created, deleted
    commit.catalogue = indexing.catalogue.version  # also of one without indexes: the hub may have dropped its last one
    if indexing.active:
        indexing.build(commit, indexed, now_ms, effects.used)
    written = changed
    unparked = effects.move_into(commit, linked=linked)
    if unparked:
        parks = [(activations[target], stream_ids) for target, stream_ids in unparked.items()]
        commit.unparked = [_unpark(activation, stream_ids) for activation, stream_ids in parks]
        written += [activation for activation, _ in parks]
    return written


def _record(activation: Activation, now_ms: int) -> bytes | None:
    kind = activation.kind
    assert kind is not None, "only an activation of a known kind takes turns"
    try:
        return kind.record(activation, now_ms)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # serializers are the user's
        raise Unstorable(activation.target, text_of(error)) from error


def _unpark(activation: Activation, stream_ids: list[StreamId]) -> Unpark:
    park = activation.park
    assert park is not None, "a message from a park belongs to an activation with a park"
    park.outstanding -= len(stream_ids)
    drained = park.exhausted and park.outstanding == 0
    if drained:
        # What overflowed meanwhile goes to another park, once this one is gone from the store.
        activation.park = Park(park.waiting[0], waiting=park.waiting) if park.waiting else None
    return Unpark(activation.target, stream_ids, drained)
