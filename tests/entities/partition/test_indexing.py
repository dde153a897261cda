"""Whose commits write more than states: known when they are loaded, and nobody else is looked at for it."""

from __future__ import annotations

import pytest

from stead.entities._index.catalogue import NOTHING, Catalogue, index_of
from stead.entities._index.expiries import KindExpiry
from stead.entities._index.feeds import KindFeed
from stead.entities._partition.indexing import Indexing
from support.core_bench import Bench

A = "@list@a"


def catalogue_of(what: str, kind: str) -> Catalogue:
    indexes = [index_of(kind, "score", "i", True, 0)] if what == "index" else []
    feeds = [KindFeed(kind, 1_000)] if what == "feed" else []
    return Catalogue(0, indexes, feeds, [KindExpiry(kind, 1_000)] if what == "expiry" else [])


@pytest.mark.parametrize("what", ["nothing", "index", "feed", "expiry"])
@pytest.mark.parametrize("kind", ["list", "lis", "listed", "other"])
def test_who_is_concerned_knows_it_and_others_are_not_asked(
    what: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    loaded = Indexing.loaded

    def noted(self: Indexing, activation: object, record: bytes | None) -> None:
        asked.append(activation.target)  # type: ignore[attr-defined]
        loaded(self, activation, record)  # type: ignore[arg-type]

    monkeypatch.setattr(Indexing, "loaded", noted)
    bench = Bench()
    bench.catalogue = catalogue_of(what, kind)
    partition = bench.acquire()
    bench.put(A, 1)
    bench.read(partition)
    bench.load(partition)
    activation = partition.activations[A]
    concerned = kind == "list" and what != "nothing"
    assert asked == ([A] if concerned else [])
    assert [activation.indexes is not None, activation.told, activation.uses is not None] == [
        concerned and what == each for each in ("index", "feed", "expiry")
    ]


def test_an_instance_is_in_no_index() -> None:
    indexing = Indexing(catalogue_of("index", "list"), {})
    assert not "list".startswith(indexing.prefixes)
    assert Indexing(NOTHING, {}).prefixes == ()
