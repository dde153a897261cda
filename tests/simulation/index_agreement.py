"""Whether a hub's indexes say what its states say: asked of all that the store holds, after each commit (HAZARDS 85-90)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from stead.entities._index.catalogue import Catalogue, Nowhere, read_catalogue
from stead.transport import READY, CommitAnswer, Loaded, MemoryStore
from stead.transport._memory.state import HubState, PartitionState


def disagreement(hub: HubState) -> str | None:
    """What in a hub's indexes is not what its states say; None if nothing is."""
    catalogue = read_catalogue(hub.catalogue)
    return next((found for state in hub.partitions if (found := _disagreement(state, catalogue))), None)


def _disagreement(state: PartitionState, catalogue: Catalogue) -> str | None:
    for kind in catalogue.kinds.values():
        prefix = f"@{kind.kind}@"
        wanted: dict[str, set[tuple[float, bytes]]] = {name: set() for index in kind.indexes for name in index.sets}
        for target, record in state.records.items():
            places = kind.places(record) if target.startswith(prefix) else None
            for place, index in zip(places or (), kind.indexes, strict=False):
                if not isinstance(place, Nowhere):
                    name, score, member = index.entry(place, target.removeprefix(prefix).encode())
                    wanted[name].add((score, member))
        for index in kind.indexes:
            for name in index.sets:
                there: set[tuple[float, bytes]] = set(state.entries[name].order) if name in state.entries else set()
                if there - wanted[name]:
                    return f"{index.field}: {there - wanted[name]} stand there, and no state says so"
                if state.built.get(index.name) == READY and wanted[name] - there:
                    return f"{index.field}: {wanted[name] - there} are missing, and it is said to be ready"
    return None


class ObservedStore(MemoryStore):
    """A store that is looked at after each commit."""

    found: str | None = None
    commits = 0
    meanwhile: Callable[[], Awaitable[None]] | None = None  # what happens before records are loaded, once

    async def load(self, targets: Mapping[int, Sequence[str]]) -> dict[int, list[Loaded]]:
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            await meanwhile()
        return await super().load(targets)

    def _commit(self, commits: Any) -> list[CommitAnswer]:
        answers = super()._commit(commits)
        self.commits += 1
        self.found = self.found or disagreement(self._state)
        return answers
