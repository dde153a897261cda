"""Which messages of slow targets go to their parks, and when they come back: pure decisions (HAZARDS 11).

A target's order is the order of the original stream IDs, over park and inbox together. Three rules keep it:

1. Once a target has a park, what arrives goes behind it, unless the whole park has been read into the mailbox.
2. No message that stays in the inbox lies between two of the park. So a park that is being emptied is emptied, and the
   commit that forgets it applied, before anything is moved to the target's next park; and nothing older than the park
   is moved there. What waits to be moved is then younger than all of the park: the park may be read meanwhile.
3. A new owner runs a message of the inbox if it is older than the park's first, and reads the park only after it has
   scanned the inbox up to there.
"""

from __future__ import annotations

from stead.transport import StreamId, stream_order

from .activation import Activation, Park, Phase
from .pending import Pending

_BEGINNING: StreamId = b"0"
_NEVER: StreamId = b"18446744073709551615-0"  # later than any message
_STOPPED = (Phase.BLOCKED, Phase.LOCKED)  # their parks are not read until something else happens
_MOVED_AT_ONCE = 1_000  # messages in one step of the store


def goes_behind(park: Park, stream_id: StreamId) -> bool:
    """Whether a message of the inbox comes after everything in the target's park."""
    if park.exhausted and not park.waiting:
        return False  # the whole park is in the mailbox: what arrives now follows it there
    return stream_order(stream_id) >= stream_order(park.first)


def _first_unread(park: Park) -> StreamId:
    """No message that waits in the park, or for it, and was not read yet is older than this."""
    if park.exhausted:
        return park.waiting[0] if park.waiting else _NEVER
    return park.first if park.after == _BEGINNING else park.after


class Parking:
    """The parks of a partition's targets that need something: messages to be moved there, or to be read back."""

    def __init__(self) -> None:
        self._needy: dict[Activation, None] = {}
        self.flying: frozenset[Activation] = frozenset()  # a commit in flight takes messages from their parks

    @property
    def busy(self) -> bool:
        return bool(self._needy)

    def unread(self, until: tuple[int, int]) -> bool:
        """Whether messages up to `until` (as `stream_order`) wait in parks, or for them, that could run here."""
        return any(
            a.park is not None and a.phase not in _STOPPED and stream_order(_first_unread(a.park)) <= until
            for a in self._needy
        )

    def needs(self, activation: Activation) -> None:
        """The activation's park has to be looked at."""
        self._needy[activation] = None

    def overflow(self, activation: Activation, keep: int) -> list[Pending]:
        """Take all but the first `keep` messages out of a mailbox and note them for the park. Gives them, in order."""
        mailbox = activation.mailbox
        if activation.park is not None and not activation.park.exhausted:
            return []  # they are older than the park, or from it
        keep = max(keep, activation.taken if activation.phase is Phase.BUSY else 0)  # the first ones are running
        moved: list[Pending] = []
        # What was handed over in memory is in no inbox from which it could be moved (HAZARDS 44).
        while len(mailbox) > keep and mailbox[-1].stream_id and not mailbox[-1].from_park:
            moved.append(mailbox.pop())
        if not moved:
            return moved
        moved.reverse()
        if activation.park is None:
            activation.park = Park(moved[0].stream_id)
        activation.park.waiting = [pending.stream_id for pending in moved] + activation.park.waiting
        self.needs(activation)
        return moved

    def take_parks(self) -> list[tuple[Activation, list[StreamId]]]:
        """Activations with messages to move to their parks, and which. To be answered with `parked`."""
        moves: list[tuple[Activation, list[StreamId]]] = []
        for activation in self._needy:
            park = activation.park
            if park is None or not park.waiting or park.moving or park.exhausted or activation in self.flying:
                continue
            park.moving = True
            moves.append((activation, park.waiting[:_MOVED_AT_ONCE]))
            del park.waiting[:_MOVED_AT_ONCE]
        return moves

    def parked(self, activation: Activation) -> None:
        """Messages have been moved to the park."""
        assert activation.park is not None, "messages were moved to a park"
        activation.park.moving = False

    def take_refills(self, position: StreamId, caught_up: bool) -> list[tuple[Activation, StreamId]]:
        """Activations whose mailboxes are empty and whose parks are not: where to read on.

        What waits to be moved does not hold this up, else a target into which messages pour would never run again.
        """
        refills: list[tuple[Activation, StreamId]] = []
        for activation in list(self._needy):
            park = activation.park
            if park is None or (activation.phase in _STOPPED and not park.waiting):
                del self._needy[activation]
                continue
            if park.moving or park.exhausted or activation.mailbox:
                continue
            if activation.phase is not Phase.READY or activation in self.flying:
                continue
            if caught_up or stream_order(position) >= stream_order(park.first):
                park.moving = True
                refills.append((activation, park.after))
        return refills

    def exhausted(self, activation: Activation, park: Park) -> None:
        """The park has been read to its end, and nothing waits to be moved there."""
        park.exhausted = True
        self._needy.pop(activation, None)
