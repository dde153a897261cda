"""Prolongs leases from a thread of its own, by a blocking connection of its own (HAZARDS 18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stead.transport._contract.errors import ConnectionLost
from stead.transport._contract.records import HubLayout, Running
from stead.transport._contract.settings import Settings

from .answers import ReplyError, fault, unexpected
from .blocking_wire import BlockingWire
from .keys import KeyNames
from .link import first_unknown_script
from .scripts import MARK_RUNNING, RENEW
from .signatures import MarkRunning, Renew
from .wire import Address


def mark_of(token: bytes, running: Running | None, deaths: bytes | None) -> MarkRunning:
    """What `mark_running` is given; None for what it is to leave as it is."""
    known = () if deaths is None else (deaths,)
    if running is None:
        return MarkRunning(token, "", b"", "", known)
    return MarkRunning(token, running.target, running.stream_id, str(running.tries), known)


class RedisRenewer:
    """A blocking client that only renews: all leases in one round trip. It never tries again by itself (HAZARDS 6)."""

    def __init__(self, address: Address, settings: Settings, keys: KeyNames, layout: HubLayout) -> None:
        # Shorter than a third of the lease, so that a stalled server costs one renewal and not the lease.
        self._seconds = settings.lease_ms / 1000 * 0.3
        self._address = address
        self._keys = keys
        self._groups = layout.slot_groups
        self._wire: BlockingWire | None = None

    def renew(self, leases: Mapping[int, bytes], lease_ms: int) -> set[int]:
        """Prolong leases; gives the partitions that are no longer held with these tokens.

        Raises `ConnectionLost` where trying again may help, `ServerUnsuitable` where the server, or what it says, will
        not do.
        """
        by_group: dict[int, list[int]] = {}
        for partition in leases:
            by_group.setdefault(partition % self._groups, []).append(partition)
        groups = list(by_group.values())
        answers = self._run([self._renewal(some, leases, lease_ms) for some in groups])
        damaged = [
            number for some, answer in zip(groups, answers, strict=True) if _is_damage(answer) for number in some
        ]
        if damaged:  # one by one: what happened to one partition's key costs no other its lease
            groups += [[number] for number in damaged]
            answers += self._run([self._renewal([number], leases, lease_ms) for number in damaged])
        lost: set[int] = set()
        for some, answer in zip(groups, answers, strict=True):
            if not _is_damage(answer):
                lost.update(_at(answer, some))
            elif len(some) == 1:
                lost.update(some)
        return lost

    def _renewal(self, partitions: Sequence[int], leases: Mapping[int, bytes], lease_ms: int) -> bytes:
        keys = [self._keys.partitions[number].lease for number in partitions]
        return RENEW.call(keys, Renew(lease_ms, [leases[number] for number in partitions]))

    def mark_running(self, partition: int, token: bytes, running: Running) -> bool:
        """Record what a stuck worker was running, before the process ends. Raises as `renew` does."""
        lease = self._keys.partitions[partition].lease
        mark = MARK_RUNNING.call([lease], mark_of(token, running, None))
        (answer,) = self._run([mark])
        if isinstance(answer, ReplyError):
            raise fault(answer)
        return bool(answer)

    def close(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _run(self, commands: list[bytes]) -> list[Any]:
        """Answers, among them errors about a key that holds something else; others are raised."""
        if self._wire is None:
            self._wire = BlockingWire(self._address, self._seconds)
        try:
            return self._exchange(self._wire, commands)
        except ConnectionLost:
            self.close()
            raise

    def _exchange(self, wire: BlockingWire, commands: list[bytes]) -> list[Any]:
        replies = wire.exchange(commands)
        refused = first_unknown_script(replies)
        if refused is not None:
            loaded = wire.exchange([RENEW.load, MARK_RUNNING.load])
            replies[refused:] = wire.exchange(commands[refused:])
            replies += [reply for reply in loaded if isinstance(reply, ReplyError)]
        for reply in replies:
            if isinstance(reply, ReplyError) and not _is_damage(reply):
                if reply.spoils_connection:
                    self.close()
                raise fault(reply)
        return replies


def _is_damage(answer: object) -> bool:
    """Whether a step was refused because a key holds something else than it should."""
    return isinstance(answer, ReplyError) and answer.code in ("STEADTYPE", "WRONGTYPE")


def _at(places: Any, partitions: Sequence[int]) -> set[int]:
    """The partitions at places that the script has named, counted from 1."""
    at = dict(enumerate(partitions, 1))
    try:
        return {at[place] for place in places}
    except (TypeError, KeyError):
        raise unexpected("renewing leases", places) from None
