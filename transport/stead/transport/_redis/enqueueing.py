"""Batches of messages as the script takes them: as few calls as may be, each with one packed argument."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from stead.transport._contract.records import Batch

from .keys import KeyNames
from .scripts import ENQUEUE, ENQUEUE_FREEING
from .signatures import Enqueue, Enqueued, Receiving, Starting


def calls_of(
    keys: KeyNames, hub_id: str, batches: Sequence[Batch], length_max: int, bytes_max: int
) -> Iterator[tuple[bytes, Sequence[Batch]]]:
    """The commands that enqueue batches, in order, each with those that it carries (HAZARDS 40).

    A call has one batch at most of a partition and session: what follows one that is refused is a gap, and who gets both
    answers at once could make nothing of it. It is as large as a single batch may be, and what frees memory goes apart.
    """
    carried: list[Batch] = []
    chains: set[tuple[int, str]] = set()
    length = size = 0
    for batch in batches:
        chain = (batch.partition, batch.session)
        batch_size = sum(map(len, batch.payloads))
        length += len(batch.payloads)
        size += batch_size
        if carried and (
            chain in chains or batch.freeing != carried[0].freeing or length > length_max or size > bytes_max
        ):
            yield _pack(keys, hub_id, carried), carried
            carried = []
            chains.clear()
            length, size = len(batch.payloads), batch_size
        carried.append(batch)
        chains.add(chain)
    if carried:
        yield _pack(keys, hub_id, carried), carried


def _pack(keys: KeyNames, hub_id: str, batches: Sequence[Batch]) -> bytes:
    names: list[bytes] = []
    rows: list[Enqueued] = []
    for batch in batches:
        own = keys.partitions[batch.partition]
        first = len(names) + 1
        names += (own.inbox, own.session(batch.session), own.lease)
        starting: Sequence[Starting] | Literal[0] = 0
        receiving: Sequence[Receiving] | Literal[0] = 0
        if batch.starts or batch.recipients:
            names += (own.starts, own.state)
        if batch.recipients:
            receiving = [Receiving(position + 1, target) for position, target in batch.recipients]
        if batch.starts:
            names.append(own.index)
            starting = [
                Starting(start.position + 1, start.target, start.message_id, int(start.reuse)) for start in batch.starts
            ]
        rows.append(
            Enqueued(
                first,
                str(batch.incarnation),
                str(batch.previous),
                str(batch.last),
                batch.keep_ms,
                batch.backlog_max,
                batch.payloads,
                starting,
                receiving,
            )
        )
    names.append(keys.record)
    script = ENQUEUE_FREEING if batches[0].freeing else ENQUEUE
    return script.call(names, Enqueue(rows, hub_id))
