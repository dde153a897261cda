"""What the server's errors mean: one table for every connection, whether the event loop waits for it or a thread does.

An answer that means "not now" is `ConnectionLost`: whoever asked tries again, for as long as it takes. One that says that
this server, or this user, will not do is `ServerUnsuitable`: it may be put right (a right that was taken away and is given
back), so that a worker bears it for a while, and then ends.
"""

from __future__ import annotations

from stead.transport._contract.errors import (
    ConnectionLost,
    HubMismatch,
    KeyDamaged,
    ServerUnsuitable,
    SteadError,
    UnexpectedAnswer,
)

from .keys import hub_of, partition_in

# The server is there but cannot serve now: trying again later may help. The connection is given up, because the next
# one may lead to another server.
_RETRY = {
    *("LOADING", "BUSY", "MASTERDOWN", "READONLY", "MISCONF", "NOREPLICAS", "UNBLOCKED", "TRYAGAIN", "CLUSTERDOWN"),
    *("INPROG", "FAILOVER", "NOTREADY", "REDIRECT", "UNKILLABLE"),
}
_FULL = "OOM"
_UNKNOWN_SCRIPT = "NOSCRIPT"
_RIGHTS = {"NOAUTH", "NOPERM", "WRONGPASS", "DENIED"}
# Has no code of its own, and other words in Redis 7.0.
_RIGHTS_IN_SCRIPT = ("ACL failure", "The user executing the script")
_CLUSTER = {"MOVED", "ASK", "CROSSSLOT"}


class ReplyError(Exception):
    """An error that the server answered. Its first word is its code."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def code(self) -> str:
        return self.message.partition(" ")[0]

    @property
    def is_full(self) -> bool:
        """The server's memory is full: it refused what would have filled it further."""
        return self.code == _FULL

    @property
    def is_unknown_script(self) -> bool:
        """The server has not got the script: it has restarted, or somebody flushed them."""
        return self.code == _UNKNOWN_SCRIPT

    @property
    def spoils_connection(self) -> bool:
        """Whether the connection is of no use any more: the next one may lead to another server, and it logs in anew."""
        return self.code in _RETRY or self.code == "NOAUTH" or "max number of clients" in self.message


def fault(error: ReplyError) -> SteadError:
    """The error to raise for an error that the server answered: it says whose fault it is."""
    code, message = error.code, error.message
    if code in _RETRY or "max number of clients" in message:
        return ConnectionLost(f"the server cannot serve now: {message}")
    if code == _FULL:
        return ConnectionLost(f"the server's memory is full: {message}")
    if code == _UNKNOWN_SCRIPT:
        return ConnectionLost(f"the server forgets the scripts that it was given: {message}")
    if code in _RIGHTS or any(words in message for words in _RIGHTS_IN_SCRIPT):
        return ServerUnsuitable(f"the server refuses this user: {message}; check the user, its password and its rights")
    if code in _CLUSTER:
        return ServerUnsuitable(f"the server is part of a cluster, which this version does not support: {message}")
    if code == "STEADHUB":
        _, record, found, *_ = message.split()
        return HubMismatch.gone(hub_of(record), made_anew=found != "none")
    if code in ("WRONGTYPE", "STEADTYPE"):
        key = message.split(" ")[1].encode() if code == "STEADTYPE" else b""
        return KeyDamaged(
            f"a key of the hub holds something else ({message}); nothing was written. Another program writes to this "
            "database: give stead a database, or a server, of its own, and delete the key or put it right",
            partition_in(key),
            key=key,
        )
    return UnexpectedAnswer(f"the server answered what stead does not expect: {message}")


def unexpected(what: str, answer: object) -> ServerUnsuitable:
    """The error for an answer of another shape than its step gives."""
    return ServerUnsuitable(f"the server answered what stead does not expect: {what} gave {answer!r:.200}")
