"""Prolongs leases from a thread of its own, by a blocking connection of its own (HAZARDS 18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from redis import Redis, exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from ._errors import ConnectionLost
from ._keys import Keys
from ._link import fault
from ._records import HubLayout, Running
from ._scripts import RENEW, RUNNING, Script, packed_argument
from ._settings import Settings
from ._wire import ReplyError


class RedisRenewer:
    """A blocking client that only renews. It never tries again by itself (HAZARDS 6)."""

    def __init__(self, url: str, settings: Settings, keys: Keys, layout: HubLayout) -> None:
        # Shorter than a third of the lease, so that a stalled server costs one renewal and not the lease.
        seconds = settings.lease_ms / 1000 * 0.3
        # redis-py types its keyword arguments and a script's answer loosely.
        self._client = cast("Any", Redis).from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            health_check_interval=0,
        )
        self._keys = keys
        self._groups = layout.slot_groups

    def renew(self, leases: Mapping[int, bytes], lease_ms: int) -> set[int]:
        """Prolong leases; gives the partitions that are no longer held with these tokens.

        May raise `ConnectionLost`.
        """
        by_group: dict[int, list[int]] = {}
        for partition in leases:
            by_group.setdefault(partition % self._groups, []).append(partition)
        lost: set[int] = set()
        for partitions in by_group.values():
            keys = [self._keys.partitions[partition].lease for partition in partitions]
            tokens = [leases[partition] for partition in partitions]
            places = cast("list[int]", self._call(RENEW, keys, lease_ms, tokens))
            lost.update(partitions[place - 1] for place in places)
        return lost

    def mark_running(self, partition: int, token: bytes, running: Running) -> bool:
        """Record what a stuck worker was running, before the process ends."""
        keys = [self._keys.partitions[partition].lease]
        return bool(self._call(RUNNING, keys, token, running.target, running.stream_id, str(running.tries)))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _call(self, script: Script, keys: Sequence[bytes], *values: object) -> Any:
        arguments = (script.sha, len(keys), *keys, packed_argument(values))
        try:
            try:
                return self._client.evalsha(*arguments)
            except exceptions.NoScriptError:
                self._client.script_load(script.source)
                return self._client.evalsha(*arguments)
        except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
            raise ConnectionLost(str(error)) from None
        except exceptions.ResponseError as error:
            raise fault(ReplyError(str(error))) from None
