"""`stead query`, and what `stead info` says of indexes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from support.user_folder import WEATHER, Stead, WorkerThread

PLAYER = """

from stead.entities import Indexed, indexed

@app.entity
class Player(Entity):
    score: Indexed[int] = indexed(0)
    country: Indexed[str] = indexed("")

    def win(self, points: int, country: str) -> None:
        self.score += points
        self.country = country
"""


@pytest.fixture
def players(stead: Stead) -> Iterator[Stead]:
    (stead.folder / f"{stead.module}.py").write_text(WEATHER + PLAYER)
    worker = WorkerThread(stead.app, stead.url)
    for number in range(5):
        assert stead("call", "Player", f"p{number}", "win", str(number * 10), "NO" if number % 2 else "SE").status == 0
    yield stead
    worker.end()


def test_entities_are_found_by_their_fields(players: Stead) -> None:
    done = players("query", "Player", "score>=10 country=NO", "--order", "-score")
    assert (done.status, done.err) == (0, "2 match\n")
    assert done.out.index("p3") < done.out.index("p1") and "p2" not in done.out
    limited = players("query", "player", "--order", "score", "--limit", "2", "--json")
    found = [json.loads(line) for line in limited.out.splitlines()]
    assert [line["key"] for line in found] == ["p0", "p1"]
    assert found[1]["state"] == {"score": 10, "country": "NO"}
    assert players("query", "Player", "--limit", "2").err == "2 of 5 that match\n"
    assert players("query", "Player", "country=SE", "--count").err == "3 match\n"
    assert json.loads(players("query", "Player", "--count", "--json").out) == {"count": 5}


def test_all_that_match_are_signalled(players: Stead) -> None:
    line = ("query", "Player", "country=NO", "--signal", "win", "--arg", "100", "--kw", "country=DK")
    done = players(*line, "--once", "move")
    assert (done.status, done.out, done.err) == (0, "", "accepted: win for 2 entities\n")
    assert players(*line, "--once", "move").err == "accepted: win for 2 entities\n"  # each has it once
    for key in ("p1", "p3"):  # behind the signals
        players("call", "Player", key, "win", "0", "DK")
    found = players("query", "Player", "country=DK", "--order", "score", "--json").out.splitlines()
    assert [json.loads(each)["state"]["score"] for each in found] == [110, 130]
    assert json.loads(players("query", "Player", "--signal", "delete", "--json").out) == {
        "operation": "delete",
        "accepted": 5,
    }
    for wrong in (("--once", "x"), ("--arg", "1"), ("--signal", "win", "--count")):
        assert players("query", "Player", *wrong).status == 2


def test_what_cannot_be_asked_is_one_line(players: Stead) -> None:
    for arguments, said in [
        (("query", "Player", "scor>=1"), "it has: country, score"),
        (("query", "Player", "score>=much"), "a whole number"),
        (("query", "Player", "score"), "write FIELD"),
        (("query", "Ship"), "no entity named"),
    ]:
        done = players(*arguments)
        assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
        assert said in done.err


def test_info_says_which_indexes_are_ready(players: Stead) -> None:
    shown = players("info").out
    assert "Indexes" in shown and "ready" in shown
    indexes = json.loads(players("info", "--json").out)["indexes"]
    assert [(index["field"], index["ready"] == index["partitions"]) for index in indexes] == [
        ("country", True),
        ("score", True),
    ]
