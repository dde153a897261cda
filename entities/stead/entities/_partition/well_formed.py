"""Whether a partition's state is one that it can have between two steps: for tests, which ask after every step.

Nothing of a running worker comes here. Each rule is one that other modules of this room rely on without looking.
"""

# To look inside is what it is for.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from stead.transport import StreamId, stream_order

from .activation import Activation, Phase
from .partition import Partition


def ill_formed(partition: Partition) -> str | None:
    """What is wrong with a partition, in words; None if nothing is."""
    return next(_faults(partition), None)


def _faults(partition: Partition) -> Iterator[str]:
    if partition.gone:
        if partition.activations or partition._busy or partition._ready:
            yield "a tenure that has ended still holds activations"
        return
    for target, activation in partition.activations.items():
        yield from (f"{target}: {fault}" for fault in _of_an_activation(partition, target, activation))
    yield from _of_the_turns(partition)
    yield from _of_the_messages(partition)
    yield from _of_the_effects(partition)
    yield from _of_the_suspects(partition)


def _of_an_activation(partition: Partition, target: str, activation: Activation) -> Iterator[str]:
    phase = activation.phase
    if activation.target != target:
        yield f"it is known by the name of {activation.target}"
    if phase in (Phase.READY, Phase.LOCKED, Phase.BUSY) and activation.kind is None:
        yield f"it is {phase.value} and has no kind"
    if (phase is Phase.READY and activation.locked) or (phase is Phase.LOCKED and not activation.locked):
        yield f"it is {phase.value}, and its kind says the contrary"
    if activation.blocked and phase not in (Phase.BLOCKED, Phase.BUSY):
        yield f"it is blocked, and {phase.value}"
    has_work = activation.express or activation.more or (activation.mailbox and phase is Phase.READY)
    if phase in (Phase.READY, Phase.LOCKED) and has_work and not activation.queued:
        yield "it has work, and is in no queue: it would wait for ever"
    if activation.current is not None and phase is not Phase.BUSY:
        yield f"an operation of it runs, and it is {phase.value}"
    if activation in partition._busy and (not activation.runs or activation.runs[0] is not activation.current):
        yield "the message that runs is not the first of its queue"
    if activation.dirty != (target in partition.effects._dirty):
        yield "whether it changed is not what the effects say"
    yield from _of_a_park(partition, activation)


def _of_a_park(partition: Partition, activation: Activation) -> Iterator[str]:
    park, mailbox = activation.park, activation.mailbox
    unparked = partition.effects._unparked.get(activation.target)
    from_park = sum(pending.from_park for pending in mailbox) + len(unparked or ())
    if not _ascend(pending.stream_id for pending in mailbox if pending.stream_id):
        yield "its mailbox is not in order"
    if park is None:
        if from_park:
            yield "it has messages from a park, and no park"
        return
    if park.outstanding != from_park:
        yield f"{park.outstanding} messages of its park are said to be here, {from_park} are"
    if not _ascend([*(pending.stream_id for pending in mailbox if pending.stream_id), *park.waiting]):
        yield "what waits for its park is not in order, or not younger than its mailbox"
    needy = activation in partition.parking._needy
    if park.waiting and not needy:
        yield "messages wait to be moved to its park, and nobody will"
    is_idle = activation.phase is Phase.READY and not (mailbox or activation.express or activation.more)
    if is_idle and not park.exhausted and not needy:
        yield "its park is not empty, and nobody will read it"
    if park.exhausted and not park.outstanding and unparked is None:
        yield "its park is empty, and nobody will forget it"


def _of_the_turns(partition: Partition) -> Iterator[str]:
    activations = partition.activations
    counted = sum(len(a.mailbox) for a in activations.values() if a.phase is Phase.READY)
    if partition.runnable != counted:
        yield f"{partition.runnable} messages are said to be runnable, {counted} are"
    ready = list(partition._ready)
    if len({*ready}) != len(ready) or not all(activation.queued for activation in ready):
        yield "the queue of activations with work holds one twice, or one that knows nothing of it"
    if any(a.queued for a in {*activations.values()}.difference(ready)):
        yield "an activation is said to be queued, and is not"
    if not partition.draining and {*partition._busy} != {a for a in activations.values() if a.phase is Phase.BUSY}:
        yield "what is busy is not what runs"
    known: set[Activation] = {*activations.values()}
    if not known.issuperset(partition.to_load) or len({*partition.to_load}) != len(partition.to_load):
        yield "an activation is to be loaded twice, or is not known"
    kept = partition._flying_activations <= known
    if not kept or not activations.keys() >= {*partition.effects._dirty, *partition.effects._unparked}:
        yield "an activation that a commit writes has been dropped from memory"
    if partition._flying is None and (partition._flying_activations or partition.parking.flying):
        yield "activations are said to be in flight without a commit"
    if not partition._flying_activations >= partition.parking.flying:
        yield "parks are said to be in flight that are not"


def _of_the_messages(partition: Partition) -> Iterator[str]:
    """Every message is in exactly one place."""
    effects, flying = partition.effects, partition._flying
    places: list[StreamId] = [*effects._consumed]
    for unparked in effects._unparked.values():
        places += unparked
    if flying is not None:
        places += flying.consumed
        for unpark in flying.unparked:
            places += unpark.stream_ids
    for activation in partition.activations.values():
        places += [pending.stream_id for pending in activation.mailbox if pending.stream_id]
        places += [pending.stream_id for pending in activation.express if pending.stream_id]
        if activation.park is not None:
            places += activation.park.waiting
    seen: set[StreamId] = set()
    for stream_id in places:
        if stream_id in seen:
            yield f"message {stream_id.decode()} is in two places"
        seen.add(stream_id)


def _of_the_effects(partition: Partition) -> Iterator[str]:
    effects = partition.effects
    if effects._unparked_length != sum(map(len, effects._unparked.values())):
        yield "messages from parks are not counted as they are"
    if not effects._extra_length and (
        effects._logs or effects._tasks or effects._dropped or effects._cancelled or effects._starts
    ):
        yield "what instances have done does not count"
    if not effects._timers.keys().isdisjoint(effects._cancelled):
        yield "a timer is both set and cancelled"
    if not effects._replaced.issubset({*effects._timers, *effects._cancelled}):
        yield "a timer is said to be replaced, and is neither set nor cancelled"
    if not effects._tasks.keys() >= effects.at_once.begun | effects.at_once.waiting.keys():
        yield "something may begin at once, or has, that is not scheduled by this commit"
    if any(start.place > len(effects._sends) for start in effects._starts):
        yield "a start comes after messages that do not exist"


def _of_the_suspects(partition: Partition) -> Iterator[str]:
    suspects = partition.suspects
    if suspects.careful and not suspects.active:
        yield "it goes carefully, and suspects nothing"
    if (partition.effects.suspects is not None) != suspects.active:
        yield "effects and partition do not agree on whether messages are suspect"
    if suspects.active:
        waiting = sum(stream_order(stream_id) <= suspects.until for stream_id in _waiting(partition))
        if suspects._waiting != waiting:
            yield f"{suspects._waiting} suspect messages are said to wait, {waiting} do"
        marker = suspects._marker
        if suspects._marked_waits != (marker is not None and marker.stream_id in {*_waiting(partition)}):
            yield "the message on whose turn the last owner died is said to wait, or not to, and it is not so"


def _waiting(partition: Partition) -> Iterator[StreamId]:
    """The messages of mailboxes, and the express ones that can run here."""
    for activation in partition.activations.values():
        yield from (pending.stream_id for pending in activation.mailbox if pending.stream_id)
        if activation.phase is not Phase.BLOCKED:
            yield from (pending.stream_id for pending in activation.express if pending.stream_id)


def _ascend(stream_ids: Iterable[StreamId]) -> bool:
    orders = [stream_order(stream_id) for stream_id in stream_ids]
    return all(before < after for before, after in pairwise(orders))
