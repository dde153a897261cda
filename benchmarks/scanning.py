"""SQL over many entities, beside a loop that reads as many entries of a hash and adds them up."""

from __future__ import annotations

import time

from stead.app import Client

from . import hub, memory, raw
from .raw import WrongResult
from .server import Address

QUERY = "select count(*) n, sum(value) total from Counter"
PAGE = 500  # as in a listing of stead


def query(address: Address, count: int) -> float:
    """Entities a second of a query that reads all of so many."""
    with hub.workers(address):
        memory.signal_each(address, count)

    async def measure(client: Client) -> float:
        began = time.monotonic()
        [answer] = (await client.sql(QUERY)).to_pylist()
        took = time.monotonic() - began
        if answer != {"n": count, "total": count}:
            raise WrongResult(f"stead: of {count} entities SQL says {answer}")
        return count / took

    return hub.with_client(address, measure)


def entries(address: Address, count: int) -> float:
    """Entries a second of a loop that reads a hash."""
    with address.connect() as client:
        memory.set_each(client, count)
        began = time.monotonic()
        values = [raw.unpack(packed) for _, packed in client.hscan_iter("state", count=PAGE)]
        took = time.monotonic() - began
    if (len(values), sum(values)) != (count, count):
        raise WrongResult(f"raw: {len(values)} of {count} entries")
    return count / took
