"""stead, on the same workloads, with the code that the other benchmarks measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks import hub, orchestrating
from benchmarks.calls import Calls
from benchmarks.cpu import Cpu
from benchmarks.measures import Sample
from benchmarks.server import Address, Server

from . import workloads
from .environments import Recipe
from .over_http import latency, rate
from .peer import Measure, Peer
from .workloads import ACCOUNTS, CALLERS, ENTITIES, RUNNING, TRANSFERS_RUNNING


def _alone(measure: Callable[[Address, int], tuple[Calls, Cpu]]) -> Measure:
    return lambda _, count: _on_a_server(lambda address: latency(*measure(address, count)))


def _at_once(measure: Callable[[Address, int], tuple[Calls, Cpu]]) -> Measure:
    return lambda _, count: _on_a_server(lambda address: rate(*measure(address, count)))


def _on_a_server(measure: Callable[[Address], Sample]) -> Sample:
    with Server("always") as address:
        return measure(address)


def _signals(_: Path, count: int) -> Sample:
    messages = max(1, count // ENTITIES) * ENTITIES
    with Server("always") as address:
        per_second, cpu = hub.signals(address, messages, ENTITIES)
        return Sample(per_second, cpu=cpu)


_hello_alone = _alone(lambda address, count: orchestrating.hellos(address, count, 1))
_hello = _at_once(lambda address, count: orchestrating.hellos(address, count, RUNNING))
_local_alone = _alone(lambda address, count: orchestrating.hellos(address, count, 1, local=True))
_local = _at_once(lambda address, count: orchestrating.hellos(address, count, RUNNING, local=True))

STEAD = Peer(
    name="stead",
    title="stead",
    durability="Valkey with appendfsync always",
    recipe=Recipe(),
    measures={
        workloads.CALL_ALONE.name: _alone(lambda address, count: hub.calls(address, count, 1, 1)),
        workloads.CALLS.name: _at_once(lambda address, count: hub.calls(address, count, CALLERS, ENTITIES)),
        workloads.HELLO_ALONE.name: _hello_alone,
        workloads.HELLO.name: _hello,
        workloads.INLINE_ALONE.name: _hello_alone,
        workloads.INLINE.name: _hello,
        workloads.LOCAL_ALONE.name: _local_alone,
        workloads.LOCAL.name: _local,
        workloads.TRANSFERS.name: _at_once(
            lambda address, count: orchestrating.transfers(address, count, ACCOUNTS, TRANSFERS_RUNNING)
        ),
        workloads.SIGNALS.name: _signals,
    },
)
