"""What a client knows of shards: what the hub's record says, read when it matters, and else believed for some seconds."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from stead.entities._definition.addressing import Call
from stead.entities._definition.registry import Registry
from stead.entities._message.shards import NONE, Spread, Spreads, kind_of, receivers, spreads_of
from stead.transport import InvalidInput, Settings, ShardCount, Store, Tries, raise_shards, until_answered

from .published import Names

KEEP_S = 10.0
"""How long what was read is believed where an older number does no harm: a third of the time after which a larger one is used."""


def session_sender() -> bytes:
    """Somebody who sends, and is nobody that was there before."""
    return b"s" + secrets.token_bytes(8)


def source_sender(source: str) -> bytes:
    """A source, which is the same after a restart."""
    return b"o" + source.encode()


class HubShards:
    """What one client, with its producers, knows of shards."""

    def __init__(self, store: Store, registry: Registry, settings: Settings, names: Names) -> None:
        self._store = store
        self._registry = registry
        self._settings = settings
        self._names = names
        self._read_at: float | None = None
        self.spreads: Spreads = NONE
        """As it was read last. It is replaced as a whole."""

    @property
    def is_old(self) -> bool:
        """What is known should be read again."""
        return self._read_at is None or self._store.clock.monotonic() - self._read_at > KEEP_S

    async def fresh(self) -> Spreads:
        """What the record says now. Raises `StoreUnavailable`."""
        tries = Tries(self._store.clock, self._settings)
        self._learn(await until_answered(self._store.shards, tries))
        return self.spreads

    async def recent(self) -> Spreads:
        """What it said some seconds ago, at most."""
        return await self.fresh() if self.is_old else self.spreads

    def _learn(self, counts: Mapping[str, ShardCount]) -> None:
        clock = self._store.clock
        self._read_at = clock.monotonic()
        spreads = spreads_of(counts, clock.now_ms())
        if spreads != self.spreads:
            self.spreads = spreads

    def declared(self, kind: str) -> int | None:
        """How many shards a kind has by this program's code, or by that of the workers, as far as that was asked for."""
        known = self._registry.get(kind)
        return self._names.shards(kind) if known is None else known.shards

    async def to_read(self, kind: str) -> Spread | None:
        """The shards of a kind, for who reads; None if it has none. What this program knows to have shards is asked for each time,
        so that nothing is missed that was sent before."""
        spreads, declared = await self.recent(), self.declared(kind)
        if kind in spreads or declared is not None:
            spreads = await self.fresh()
        spread = spreads.get(kind)
        # The hub may not have heard of them yet, or what it has heard cannot be read.
        return Spread(declared, declared, declared) if spread is None and declared is not None else spread

    async def to_send(self, kind: str, *, deletes: bool) -> Spread | None:
        """The same for who sends. A kind of this program's code that no worker has told the hub of is told of now."""
        wanted = self.declared(kind)
        if wanted is None and kind not in self.spreads:
            return None
        spread = (await self.fresh() if deletes else await self.recent()).get(kind)
        if spread is None and wanted is not None:
            tries = Tries(self._store.clock, self._settings)
            self._learn(await until_answered(lambda: raise_shards(self._store, {kind: wanted}), tries))
            spread = self.spreads.get(kind)
        return spread

    def declared_or_known(self, call: Call) -> bool:
        """Whether what is meant may have shards: then it matters in how many."""
        if not self.spreads and not self._registry.sharded and call.operation is not None:
            return False
        kind = kind_of(call.target)
        return kind in self.spreads or self.declared(kind) is not None

    def refuse_call(self, call: Call) -> None:
        """Raise `InvalidInput`: what is called has shards."""
        raise InvalidInput(
            f"calling {call.operation_name!r} of {call.target}",
            "it has shards, none of which can answer for the others: signal it, and read its state with read_entity",
        )

    async def receivers(self, call: Call, sender: bytes, *, source: bool = False) -> Sequence[str]:
        """To which targets a signal goes; the sender's own shard comes last."""
        kind = kind_of(call.target)
        spread = await self.to_send(kind, deletes=call.operation_name.lower() == "delete")
        if spread is None:
            return (call.target,)
        return receivers(call.target, call.operation_name, sender, spread, source=source)
