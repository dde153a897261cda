"""Connecting and reconnecting: the one module that does (HAZARDS 6).

- A new connection is used only after the server's run ID was looked at. If it is another than before, the server has
  restarted or failed over: `generation` grows, and every older connection is thrown away (HAZARDS 2). So is the hub's
  record, once the store has joined: without it, or with another one, this is not the hub that the process works in
  (HAZARDS 26).
- Nothing is sent again by itself, but for scripts that the server does not know (it has restarted, or somebody flushed
  them): those are loaded and the same bytes sent again, in order, from the first one refused.
- Whatever goes wrong on the way is `ConnectionLost`. What the server's errors mean is in `answers`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from stead.transport._cancellation import begin_task
from stead.transport._contract.clock import ServerClock
from stead.transport._contract.errors import (
    ConnectionLost,
    HubMismatch,
    KeyDamaged,
    ServerChanged,
    ServerUnsuitable,
    StoreClosed,
    UnexpectedAnswer,
)
from stead.transport._contract.records import HubLayout
from stead.transport._contract.settings import Settings

from .answers import ReplyError, fault
from .keys import hub_key
from .scripts import ALL, command
from .tls import speaks_plain, speaks_tls
from .wire import Address, Wire

_VERSION_LEAST = (7, 0)
_SILENCE_S = 1.0  # after which a server that does not answer at first is asked whether it speaks TLS


def whose_command(hub: str) -> bytes:
    """The command that gives the ID of the hub of this name that is on the server; none if there is none."""
    return command(b"HGET", hub_key(hub), b"hub_id")


def info_fields(text: bytes) -> dict[str, str]:
    """What INFO answered, as a dictionary."""
    lines = (line.partition(":") for line in text.decode("utf-8", "replace").splitlines() if ":" in line)
    return {name: value.strip() for name, _, value in lines}


def check_version(fields: Mapping[str, str]) -> None:
    """Raise `ServerUnsuitable` for a server that is too old, before it is sent a script that it does not know."""
    version = fields.get("redis_version", "0")  # Valkey names the version of Redis that it can stand in for
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < _VERSION_LEAST:
        raise ServerUnsuitable(
            f"the server is version {version}; stead needs Valkey, or Redis 7.0 or later, because its scripts declare "
            "whether they may run when memory is full (`#!lua flags=…`)"
        )


class Server:
    """What this process knows of the server behind a URL, whatever the connections to it."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.address = Address.from_url(url)
        self.clock = ServerClock()
        self.generation = 0
        self.run_id = ""
        self.closed = False
        self.hub: HubLayout | None = None  # the one that was joined
        self.answer_seconds = settings.store_answer_ms / 1000
        self._connect_seconds = settings.connect_ms / 1000
        self._loaded_on = ""  # the run ID of the server that has the scripts

    async def connect(self) -> tuple[Wire, int]:
        """A connection that is ready for use, and the generation of the server at its other end."""
        if self.run_id:
            return await self._connect()
        # Never reached yet: perhaps for a reason that trying again does not mend.
        connecting = begin_task(self._connect())
        try:
            done, _ = await asyncio.wait({connecting}, timeout=_SILENCE_S)
            if not done:  # both sides may be waiting for each other
                await self._check_tls()
            return await connecting
        except ConnectionLost:
            await self._check_tls()
            raise
        except BaseException:
            await _abandon(connecting)
            raise

    async def _check_tls(self) -> None:
        """Raise `ServerUnsuitable` if the server speaks TLS and the URL does not say so, or the contrary."""
        address = self.address
        if address.path is not None:
            return
        where = f"{address.host}:{address.port}"
        if address.tls is None and await speaks_tls(address.host, address.port):
            raise ServerUnsuitable(f"the server at {where} speaks TLS: begin the URL with rediss:// (not redis://)")
        if address.tls is not None and await speaks_plain(address.host, address.port):
            raise ServerUnsuitable(
                f"the server at {where} does not speak TLS on this port: begin the URL with redis:// (not rediss://), "
                "or name its TLS port"
            )

    async def _connect(self) -> tuple[Wire, int]:
        wire: Wire | None = None
        try:
            async with asyncio.timeout(self._connect_seconds):
                wire = await Wire.open(self.address)
                return wire, await self._greet(wire)
        except ssl.SSLCertVerificationError as error:
            raise ServerUnsuitable(f"the server's certificate does not hold: {error.verify_message}") from None
        except (OSError, TimeoutError) as error:
            reason = str(error) or "no answer in time"
            if wire is not None:
                wire.drop(reason)
            raise ConnectionLost(f"cannot connect: {reason}") from None
        except BaseException as error:
            if wire is not None:
                wire.drop(str(error))
            raise

    async def _greet(self, wire: Wire) -> int:
        """Log in, and look at the server before it is used; gives its generation."""
        whose = () if self.hub is None else (whose_command(self.hub.name),)
        commands = [*self.address.greeting(), *whose, command("INFO", "server"), command("TIME")]
        replies = await wire.send(b"".join(commands), len(commands))
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise fault(reply)
        if whose:
            self.check_hub(replies[-3])
        self.learn_time(replies[-1])
        fields = info_fields(replies[-2])
        check_version(fields)
        run_id = fields.get("run_id", "")
        if run_id != self.run_id:
            self.run_id = run_id
            self.generation += 1
        generation = self.generation  # another connection may see another server while this one loads scripts
        if run_id != self._loaded_on:
            await load_scripts(wire, self.answer_seconds)
            self._loaded_on = run_id
        return generation

    def check_hub(self, found: bytes | None) -> None:
        """Raise `HubMismatch` if the hub ID that `whose_command` found is not that of the hub that was joined."""
        assert self.hub is not None, "the store has joined"
        if found != self.hub.hub_id.encode():
            raise HubMismatch.gone(self.hub.name, made_anew=found is not None)

    def learn_time(self, answer: Sequence[bytes]) -> None:
        """Correct the clock by what TIME answered."""
        self.clock.correct(int(answer[0]) * 1000 + int(answer[1]) // 1000)


async def _abandon(connecting: asyncio.Future[tuple[Wire, int]]) -> None:
    """Nobody wants the connection any more, whether or not it has been made. When this ends, it is closed: the loop may be
    closed next, and would leave the socket open."""
    connecting.cancel()
    await asyncio.wait({connecting})
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result()[0].drop("given up")
    await asyncio.sleep(0)  # a dropped connection is closed by the loop's next round


async def load_scripts(wire: Wire, answer_seconds: float) -> None:
    """Load every script."""
    for reply in await wire.send(b"".join(script.load for script in ALL), len(ALL), answer_seconds):
        if isinstance(reply, ReplyError):
            raise fault(reply)


class Link:
    """A connection for one purpose, made again when it is lost. Pipelines are answered in the order of their sending.

    The links of a store have different purposes because a blocking read, or a large commit, would hold up the others.
    """

    def __init__(self, server: Server, *, blocking: bool = False) -> None:
        self._server = server
        self._blocking = blocking
        self._wire: Wire | None = None
        self._generation = -1
        self._connecting = asyncio.Lock()

    @property
    def received_bytes(self) -> int:
        """Bytes that have come over the present connection."""
        return self._wire.received_bytes if self._wire is not None else 0

    async def run(
        self,
        commands: Sequence[bytes],
        *,
        block_ms: int = 0,
        generation: int | None = None,
        refusals: bool = False,
        each: bool = False,
    ) -> list[Any]:
        """Send commands in one pipeline; gives their answers.

        With `generation` nothing is sent to a server of another generation: raises `ServerChanged`. An error in an
        answer is raised, once all answers are here. With `each`, damage to one command's keys is no harm to the others: the
        `KeyDamaged` stands among the answers. With `refusals`, nor is what else the server has against a command: its
        `ServerUnsuitable` does so too, and the `ReplyError` that says that there is no memory.
        """
        wire = await self._ready()
        if generation is not None and generation != self._server.generation:
            raise ServerChanged(f"the server is of generation {self._server.generation}, not {generation}")
        replies = await self._exchange(wire, commands, block_ms)
        for reply in replies:
            if type(reply) is ReplyError:
                break
        else:
            return replies  # nearly always
        refused = first_unknown_script(replies)
        if refused is not None:
            await load_scripts(wire, self._server.answer_seconds)
            replies[refused:] = await self._exchange(wire, commands[refused:], block_ms)
        for place, reply in enumerate(replies):
            if isinstance(reply, ReplyError) and not (refusals and reply.is_full):
                if reply.spoils_connection:
                    wire.drop(reply.message)
                error = fault(reply)
                if refusals and isinstance(error, ServerUnsuitable):
                    replies[place] = error
                elif each and isinstance(error, (KeyDamaged, UnexpectedAnswer)):
                    replies[place] = error if isinstance(error, KeyDamaged) else KeyDamaged(error.reason)
                else:
                    raise error
        return replies

    async def one(self, command: bytes, *, block_ms: int = 0) -> Any:
        """Send one command; gives its answer."""
        return (await self.run((command,), block_ms=block_ms))[0]

    def close(self) -> None:
        """Drop the connection, if there is one."""
        if self._wire is not None:
            self._wire.drop("closed")
            self._wire = None

    async def _exchange(self, wire: Wire, commands: Sequence[bytes], block_ms: int) -> list[Any]:
        if not commands:
            return []
        data = b"".join(commands) if len(commands) > 1 else commands[0]
        try:
            return await wire.send(data, len(commands), self._server.answer_seconds + block_ms / 1000)
        except asyncio.CancelledError:
            if self._blocking:  # the server would hold the connection until the read ends
                wire.drop("the read was cancelled")
            raise

    async def _ready(self) -> Wire:
        """The connection, made anew if it is lost or leads to a server of an older generation."""
        wire = self._wire
        if wire is not None and wire.is_open and self._generation == self._server.generation:
            return wire
        async with self._connecting:
            if self._server.closed:
                raise StoreClosed("the store is closed")
            wire = self._wire
            if wire is not None and wire.is_open and self._generation == self._server.generation:
                return wire
            self.close()
            self._wire, self._generation = await self._server.connect()
            if self._server.closed:
                self.close()
                raise StoreClosed("the store is closed")
            return self._wire


def first_unknown_script(replies: Sequence[Any]) -> int | None:
    """The place of the first answer that says that the server does not know a script."""
    for place, reply in enumerate(replies):
        if isinstance(reply, ReplyError) and reply.is_unknown_script:
            return place
    return None
