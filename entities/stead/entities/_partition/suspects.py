"""Which messages may have killed the last owner of a partition, and whether to go on carefully (HAZARDS 20).

There is no list of deliveries to count. Instead an acquisition says how often in a row an owner ended without releasing
the partition (`unclean`), and up to which entry the inbox was filled then. From the second time on, or when a marker
was left, the owner is careful: one message is decoded, or takes its turn, or one target is loaded, at a time, with a marker
in the store before each. A message on whose marker workers died `poison_tries_max` times becomes a dead letter, a target
that many died of loading is blocked. Passing the suspect entries ends all that.
"""

from __future__ import annotations

from typing import NamedTuple

from stead.transport import Acquired, Running, StreamId, stream_order

from .waking import is_waking

UNDECODED = "!undecoded"
"""What a marker names in place of a target, while a message is decoded: nobody knows yet whom it is for."""

_LOADING = "!loading "
"""What a marker names before a program and a target, while what is stored of that is made into an activation."""

_NO_MESSAGE: StreamId = b"0-0"
_CAREFUL_FROM = 2  # unclean ends in a row; the first may be anything (a deployment, a machine)


class DiedLoading(NamedTuple):
    """What the last owner died of, if it died of loading something."""

    program: str
    target: str
    tries: int


class Suspects:
    """The suspect messages of one tenure."""

    def __init__(self, acquired: Acquired, wary: bool = False) -> None:
        """`wary`: something is to be loaded that is known to have ended workers of another program."""
        self.until = stream_order(acquired.suspect_until or b"0-0")
        running = acquired.running
        self._marker = None if running is None or is_waking(running) else running  # the others: see `waking`
        self.active = wary or acquired.unclean > 0 or acquired.running is not None
        self.careful = wary or acquired.unclean >= _CAREFUL_FROM or acquired.running is not None
        self._scanned = False
        self._waiting = 0  # suspect messages in mailboxes
        self._marked_waits = False  # whether the message on whose turn the last owner died is in a mailbox

    def includes(self, stream_id: StreamId) -> bool:
        """Whether a message was there when an owner died."""
        return self.active and stream_order(stream_id) <= self.until

    def heard(self, stream_id: StreamId) -> None:
        """A message has entered a mailbox."""
        if stream_order(stream_id) <= self.until:
            self._waiting += 1
        if self._marker is not None and self._marker.stream_id == stream_id:
            self._marked_waits = True

    def done(self, stream_id: StreamId) -> None:
        """A message has left its mailbox, for good or to a park."""
        if stream_order(stream_id) <= self.until:
            self._waiting -= 1
        if self._marker is not None and self._marker.stream_id == stream_id:
            self._marked_waits = False

    def scanned(self, position: StreamId, caught_up: bool) -> None:
        """The inbox has been read up to `position`."""
        if self.active and (caught_up or stream_order(position) >= self.until):
            self._scanned = True

    def handed_on(self) -> Running | None:
        """The marker to write before a graceful release, which takes back one try, as its owner has not died: so that the
        next owner finds what this one found, whatever it has marked meanwhile."""
        marker = self._marker
        return None if marker is None else Running(marker.target, marker.stream_id, marker.tries + 1)

    def was_decoded(self, stream_id: StreamId) -> bool:
        """Whether the last owner has survived decoding a message: it died on the turn of one that is not older."""
        marker = self._marker
        if marker is None or marker.target == UNDECODED:
            return False
        return stream_order(stream_id) <= stream_order(marker.stream_id)

    def comes_first(self, stream_id: StreamId) -> bool:
        """Whether the turn of the message on which the last owner died comes before a message is decoded. A marker says how
        many have died of it, and another marker would replace that: whoever takes over next had to count anew, for ever."""
        return self._marked_waits and not self.was_decoded(stream_id)

    @property
    def passed(self) -> bool:
        """Every suspect message has been read and has left its mailbox."""
        return self._scanned and self._waiting == 0

    @property
    def died_loading(self) -> DiedLoading | None:
        """What the last owner died of, if that was loading."""
        marker = self._marker
        if marker is None or not marker.target.startswith(_LOADING):
            return None
        program, _, target = marker.target.removeprefix(_LOADING).partition(" ")
        return DiedLoading(program, target, marker.tries)

    def forget_died_loading(self) -> None:
        """It is known of the target for good: who loads it now begins to count anew."""
        self._marker = None

    @property
    def first(self) -> str | None:
        """The target on whose turn or loading the last owner died: it is loaded before anything else, for the reason above."""
        marker, died = self._marker, self.died_loading
        if died is not None:
            return died.target
        return None if marker is None or marker.target == UNDECODED else marker.target

    def was_loaded(self, target: str) -> bool:
        """Whether the last owner has survived loading a target: it died on a turn of it."""
        return self._marker is not None and self._marker.target == target

    @property
    def turn_comes_first(self) -> bool:
        """Whether the turn of the message on which the last owner died comes before anything is loaded, for the same reason."""
        return self._marked_waits

    def marker_of_loading(self, program: str, target: str) -> Running:
        """The marker to write before a target is loaded by this program; `tries` are those of all."""
        died = self.died_loading
        tries = died.tries + 1 if died is not None and died.target == target else 1
        return Running(f"{_LOADING}{program} {target}", _NO_MESSAGE, tries)

    def settle(self) -> None:
        self.active = self.careful = False
        self._marker = None

    def marker_for(self, target: str, stream_id: StreamId) -> Running:
        """The marker to write before a turn; `tries` counts those who have begun it, this one included."""
        marker = self._marker
        if marker is not None and marker.target == target and marker.stream_id == stream_id:
            return Running(target, stream_id, marker.tries + 1)
        return Running(target, stream_id, 1)
