"""The root of every error that stead raises, and the errors of the store itself.

An error says what happened, whose fault it is and what to do next. Its fields are kept as attributes and given to
`Exception.__init__` in order, so that every error survives pickling (a process pool, a test runner) unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal


class SteadError(Exception):
    """The root of every error that stead raises."""


class InvalidInput(SteadError, ValueError):
    """Something given to stead is not allowed: `what` names the offending part, `reason` says why."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what = what
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


class PayloadTooLarge(InvalidInput):
    """Something is larger than the hub allows: a message or a state, mostly. `setting` is the limit."""

    def __init__(self, what: str, size_bytes: int, limit_bytes: int, setting: str = "payload_bytes_max") -> None:
        """`setting`: the one that is the limit; "large_payloads" if that is what a large payload may have."""
        SteadError.__init__(self, what, size_bytes, limit_bytes, setting)
        self.what = what
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        self.setting = setting
        advice = _LARGER.get(setting, f"make it smaller, or raise STEAD_{setting.upper()} everywhere")
        self.reason = f"{size_bytes:,} bytes, and the limit is {limit_bytes:,}; {advice}"


_LARGER = {
    "payload_bytes_max": "send a reference to large data instead of the data, let STEAD_LARGE_PAYLOADS say where large data is to be "
    "kept (a folder that all processes share, or a bucket), or raise STEAD_PAYLOAD_BYTES_MAX everywhere",
    "large_payloads": "that is the most that a large payload may have: send a reference to the data instead of the data",
}


NO_CODEC = "it is encoded, and this process has no codec to decode it: set STEAD_PAYLOAD_CODEC"
_NO_KEY = "it is encoded with the key "


class PayloadLocked(SteadError):
    """What is stored is encoded, and this process cannot decode it: it has no codec (`STEAD_PAYLOAD_CODEC`), or not the key.

    `target` is what it belongs to, "" where that is not known. Nothing is lost: a process with the key reads it.
    """

    def __init__(self, reason: str, target: str = "") -> None:
        super().__init__(reason, target)
        self.reason = reason
        self.target = target

    @classmethod
    def without_codec(cls) -> PayloadLocked:
        """For a process that has no codec at all."""
        return cls(NO_CODEC)

    @classmethod
    def without_key(cls, key_id: str) -> PayloadLocked:
        """The codec does not have the key of this name. For codecs."""
        return cls(f"{_NO_KEY}{key_id!r}, and this process does not have that key")

    @property
    def is_of_process(self) -> bool:
        """Whether this process lacks a codec or a key, so that others cannot be read here either; else it is about this one thing."""
        return self.reason == NO_CODEC or self.reason.startswith(_NO_KEY)

    def __str__(self) -> str:
        return f"{self.target} is locked: {self.reason}" if self.target else f"locked: {self.reason}"


class BacklogFull(SteadError):
    """A partition holds as many waiting messages as it may, or the server's memory is full: nothing was accepted.

    Producers wait and try again by themselves; a single signal or call raises this. Start more workers, or wait; a server
    whose memory is full still accepts what frees it: purging and terminating instances, deleting entities.
    """

    def __init__(self, partition: int, reason: str) -> None:
        super().__init__(partition, reason)
        self.partition = partition
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"partition {self.partition} accepts no messages now: {self.reason}; nothing was accepted, try again later"
        )


class StoreUnavailable(SteadError):
    """The server did not answer within the tries that the settings allow, or the client is closed.

    `outcome` is "refused" if nothing was written for certain, "unknown" if the request may have been carried out.
    """

    def __init__(self, reason: str, outcome: Literal["refused", "unknown"] = "unknown") -> None:
        super().__init__(reason, outcome)
        self.reason = reason
        self.outcome: Literal["refused", "unknown"] = outcome

    def __str__(self) -> str:
        doubt = "it may or may not have been carried out" if self.outcome == "unknown" else "nothing was written"
        return f"the store is unavailable ({self.reason}); {doubt}"


class AcknowledgedLost(SteadError):
    """The server lost writes that it had acknowledged (a fail-over to a lagging replica, or a restart without sync).

    Every message accepted between `lost_from` and `lost_to` of this client's session with the partition may be gone. One
    error tells of all partitions of which it is known by then: `losses` has (partition, from, to) of each, that of
    `partition` first, and `count` how many messages that are. The hub itself is there: if it is gone too, with everything
    that was in it, `HubMismatch` is raised instead.
    """

    def __init__(
        self, partition: int, lost_from: int, lost_to: int, others: Sequence[tuple[int, int, int]] = ()
    ) -> None:
        super().__init__(partition, lost_from, lost_to, tuple(others))
        self.partition = partition
        self.lost_from = lost_from
        self.lost_to = lost_to
        self.losses: tuple[tuple[int, int, int], ...] = ((partition, lost_from, lost_to), *others)

    @property
    def count(self) -> int:
        """Messages that may be gone."""
        return sum(lost_to - lost_from + 1 for _, lost_from, lost_to in self.losses)

    def besides(self, other: AcknowledgedLost | None) -> AcknowledgedLost:
        """The one error that tells of these losses and of others."""
        more = () if other is None else other.losses
        first, *others = dict.fromkeys((*self.losses, *more))
        return AcknowledgedLost(*first, others)

    def __str__(self) -> str:
        first, *others = (f"{lost_from} to {lost_to} sent to partition {at}" for at, lost_from, lost_to in self.losses)
        rest = f" ({self.count:,} in all: also {', '.join(others)})" if others else ""
        return (
            f"the server lost acknowledged messages {first}{rest}: it failed over to a replica that lagged, or restarted "
            "without `appendfsync always`"
        )


class SourceSuperseded(SteadError):
    """Another producer has opened the same source; this one may not send any more."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.source = source

    def __str__(self) -> str:
        return f"source {self.source!r} was opened by another producer; run one producer per source at a time"


class HubMismatch(SteadError):
    """The hub in the store is not one that this process can work with: another layout or format, or another hub.

    The latter is found while the process works: the server was flushed, or came back without its data. Nothing is tried
    again then, because everything that this process knows of belongs to a hub that is gone.
    """

    def __init__(self, hub: str, reason: str) -> None:
        super().__init__(hub, reason)
        self.hub = hub
        self.reason = reason

    @classmethod
    def gone(cls, hub: str, *, made_anew: bool) -> HubMismatch:
        """What is said when the hub in which a process works is no longer on the server."""
        now = "another one of this name was made since" if made_anew else "there is none of this name now"
        return cls(
            hub,
            f"the hub in which this process works is no longer on the server, and {now}. The server's data was deleted "
            "(FLUSHALL), or it came back without its data, or this is another server; what was in the hub is gone with "
            "it. Restore the server's data, or restart this process: it joins the hub of this name, and makes it if "
            "there is none",
        )

    def __str__(self) -> str:
        return f"task hub {self.hub!r}: {self.reason}"


class ServerUnsuitable(SteadError):
    """The server is not one that stead can keep its promises on (its version, eviction, a missing right)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class UnexpectedAnswer(ServerUnsuitable):
    """The server answered an error that no step of stead expects. ShardsWanted inside stead; to users it is `ServerUnsuitable`.

    About a single partition it means that something in there cannot be read (`KeyDamaged`).
    """


class KeyDamaged(ServerUnsuitable):
    """A key of the hub holds what stead did not write: something else by its type, or content that cannot be read.

    `partition`: whose key it is; None for a key of the whole hub. `step`: the partition that was worked for. `key`: its
    name in the store, where the server told it. A worker leaves the partition alone until the key is mended, and goes on
    with all others.
    """

    def __init__(self, reason: str, partition: int | None = None, step: int | None = None, key: bytes = b"") -> None:
        super().__init__(reason)
        self.partition = partition
        self.step = partition if step is None else step
        self.key = key

    @property
    def stands_still(self) -> int | None:
        """The partition that cannot go on: the one whose key it is; if no key is named, the one that was worked for."""
        return self.step if self.partition is None and not self.key else self.partition


class TornCommit(SteadError):
    """A commit was applied in part, which no script of stead does by itself: the partition is quarantined."""

    def __init__(self, partition: int, commit_id: str) -> None:
        super().__init__(partition, commit_id)
        self.partition = partition
        self.commit_id = commit_id

    def __str__(self) -> str:
        return (
            f"partition {self.partition} is quarantined: commit {self.commit_id} began and did not end (a key of the "
            "wrong type, a missing right, or a key that moved in mid-script); see `stead info` and the server's log"
        )


class ServerChanged(SteadError):
    """The server is not the one that was talked to before (it restarted or failed over): acquire everything anew.

    ShardsWanted inside stead, between transport and worker; users do not see it.
    """


class ConnectionLost(SteadError):
    """A request was sent or not, and its answer did not come. ShardsWanted inside stead; users see `StoreUnavailable`."""


class StoreClosed(ConnectionLost):
    """The request was not sent, because this process has closed the store: no use in trying again."""
