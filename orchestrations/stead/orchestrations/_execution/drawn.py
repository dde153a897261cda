"""What looks random in the code of an orchestrator, and is the same in each replay: numbers and names drawn from its IDs."""

from __future__ import annotations

import hashlib
import random


class Drawn:
    """What an execution draws. A rewinding keeps it: it comes from the ID of the first execution."""

    __slots__ = ("_random", "_source", "_uuids")

    def __init__(self, instance_id: str, first_execution_id: str) -> None:
        self._source = f"{instance_id}|{first_execution_id}"
        self._random: random.Random | None = None
        self._uuids = 0

    @property
    def seed(self) -> int:
        """For the loop."""
        digest = hashlib.blake2b(self._source.encode("utf-8", "replace"), digest_size=8).digest()
        return int.from_bytes(digest, "big")

    def next_uuid_name(self) -> str:
        """A name that no other UUID of any instance is made of."""
        self._uuids += 1
        return f"{self._source}|{self._uuids}"

    @property
    def random(self) -> random.Random:
        """Random numbers."""
        if self._random is None:
            self._random = random.Random(self._source)
        return self._random
