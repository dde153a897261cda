"""Critical sections as an entity sees them: who has locked it, and which requests were withdrawn (HAZARDS 12).

A request visits the entities of its lock set in one order for all, so that no two wait for each other; each, when the
request's turn in its mailbox has come, locks itself and sends it on; the last one answers the orchestration. What undoes
it is an express message:

1. After the grant the orchestration releases each entity directly.
2. Before it, the release follows the path of the request. Where the request holds the lock, the lock goes and the release
   is sent on; where it still waits, its ID is remembered, it is passed over when its turn comes, and the release ends
   there, because the request has gone no farther. Request and release take the same path, so the request comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from stead.entities._message.envelope import LOCK, RELEASE, encode_message, message_extras
from stead.transport import InvalidInput

if TYPE_CHECKING:
    from stead.entities._message.envelope import Message
    from stead.entities._partition.activation import Activation
    from stead.entities._partition.effects import Effects


class LockState:
    """What an entity knows of its lock. Most entities never have one."""

    __slots__ = ("owner", "request", "withdrawn")

    def __init__(self, request: bytes | None = None, owner: str = "", withdrawn: Iterable[bytes] = ()) -> None:
        """`request`: the ID of the one that holds the lock; `owner`: the instance that made it."""
        self.request = request
        self.owner = owner
        self.withdrawn = list(withdrawn)

    @classmethod
    def of(cls, record: Sequence[Any]) -> LockState:
        """What the entity's record says. Raises `InvalidInput` for what is none."""
        match record:
            case [bytes() | None as request, str() as owner, [*withdrawn]] if all(
                type(one) is bytes for one in withdrawn
            ):
                return cls(request, owner, withdrawn)
            case _:
                raise InvalidInput("record", "what it says of the entity's lock is not what stead writes")

    def as_record(self) -> list[object] | None:
        """Its part of the entity's record; None if there is nothing to remember."""
        if self.request is None and not self.withdrawn:
            return None
        return [self.request, self.owner, self.withdrawn]

    def asked(self, activation: Activation, message: Message, effects: Effects) -> None:
        """The turn of a request has come, and the entity is not locked."""
        request, targets, position = _path(activation, message, 3)
        if message.task is None:
            raise InvalidInput("lock request", "nobody waits for it")
        if request in self.withdrawn:
            self.withdrawn.remove(request)
            effects.changed(activation)
            return
        if position + 1 < len(targets):
            extras = message_extras(task=message.task, sender=activation.target)
            _send_on(LOCK, [request, targets, position + 1], extras, effects)
        else:
            effects.answer_task(message.task, True, None)
        self.request = request
        self.owner = message.task.instance
        activation.locked = True
        effects.changed(activation)

    def released(self, activation: Activation, message: Message, effects: Effects) -> None:
        """A release has come, directly or along the path of its request."""
        request, targets, position = _path(activation, message, 4)
        direct = bool(message.args[3])
        if self.request == request:
            self.request = None
            self.owner = ""
            activation.locked = False
            if not direct and position + 1 < len(targets):
                extras = message_extras(sender=activation.target)
                _send_on(RELEASE, [request, targets, position + 1, False], extras, effects)
        elif direct:
            return  # it is unlocked already
        else:
            self.withdrawn.append(request)
        effects.changed(activation)


def _path(activation: Activation, message: Message, length: int) -> tuple[bytes, list[str], int]:
    """A request's ID, its lock set, and this entity's place in it. Raises `InvalidInput` for what is none."""
    args = cast("Sequence[Any]", message.args)
    if len(args) == length and isinstance(args[1], list):
        request, targets, position = args[0], cast("list[str]", args[1]), args[2]
        if (
            isinstance(request, bytes)
            and isinstance(position, int)
            and 0 <= position < len(targets)
            and targets[position] == activation.target
        ):
            return request, targets, position
    raise InvalidInput(f"operation {message.operation}", "it is not what orchestrations send")


def _send_on(operation: str, args: list[Any], extras: dict[str, object] | None, effects: Effects) -> None:
    target = args[1][args[2]]
    effects.send(target, encode_message(target, operation, args, effects.next_message_id(), extras))
