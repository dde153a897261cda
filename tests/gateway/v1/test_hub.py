"""Hub information and dead letters over a real socket."""

from __future__ import annotations

from typing import Any

import pytest

from support.gateway_tools import Served
from support.v1_gateway import eventually, fresh, line, post_lines

PATH = "/api/v1/dead-letters"


def letters(served: Served, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = served.http.get(PATH, params=query).json()["dead_letters"]
    return found


def make_letters(served: Served, count: int) -> list[str]:
    """Signals that fail; gives the IDs of the dead letters that are there then."""
    served.http.post(f"{PATH}/drop", json={"all": True})
    body = b"".join(line(f"{fresh()}", f"reason {number}", operation="fail") for number in range(count))
    assert post_lines(served, body).json()["accepted"] == count

    def look() -> list[str] | None:
        found = letters(served, limit=1_000)
        return [letter["id"] for letter in found] if len(found) == count else None

    return eventually(look)


def test_the_hub(served: Served) -> None:
    found = served.http.get("/api/v1/hub").json()
    assert found["hub"]["name"] == served.app.name
    assert len(found["partitions"]) == found["hub"]["partitions"] == 4
    assert len(found["workers"]) == 1
    assert {"total", "names", "server", "blocked", "unserved", "quarantined"} <= set(found)
    assert served.http.get("/api/v1/hub?x=1").status_code == 400


def test_letters_are_listed_in_pages(served: Served) -> None:
    ids = make_letters(served, 25)
    found: list[str] = []
    continuation: str | None = None
    while True:
        query: dict[str, Any] = {"limit": 7} | ({"continuation": continuation} if continuation else {})
        page = served.http.get(PATH, params=query).json()
        assert len(page["dead_letters"]) <= 7
        found += [letter["id"] for letter in page["dead_letters"]]
        continuation = page["continuation"]
        if continuation is None:
            break
    assert found == ids


def test_one_letter_is_shown_resent_and_dropped(served: Served) -> None:
    (letter_id,) = make_letters(served, 1)
    found = served.http.get(f"{PATH}/{letter_id}").json()
    assert (found["id"], found["operation"], found["args"]) == (letter_id, "fail", ["reason 0"])
    assert (found["error_type"], found["message"]) == ("ValueError", "reason 0")
    assert found["target"].startswith("@station@")
    assert "ValueError" in found["traceback"]
    assert "traceback" not in letters(served)[0]
    assert served.http.post(f"{PATH}/{letter_id}/resend").json() == {"count": 1, "missing": []}
    assert served.http.post(f"{PATH}/{letter_id}/resend").status_code == 404

    def again() -> str | None:
        return next((letter["id"] for letter in letters(served) if letter["id"] != letter_id), None)

    new_id = eventually(again)
    assert served.http.delete(f"{PATH}/{new_id}").json() == {"count": 1, "missing": []}
    assert served.http.delete(f"{PATH}/{new_id}").status_code == 404
    assert served.http.get(f"{PATH}/{new_id}").status_code == 404


def test_many_at_a_time(served: Served) -> None:
    ids = make_letters(served, 6)
    answer = served.http.post(f"{PATH}/drop", json={"ids": [*ids[:2], "0/1-1"]})
    assert answer.json() == {"count": 2, "missing": ["0/1-1"]}
    assert served.http.post(f"{PATH}/resend", json={"all": True}).json() == {"count": 4, "missing": []}
    eventually(lambda: len(letters(served)) == 4 or None)
    assert not {letter["id"] for letter in letters(served)} & set(ids)


@pytest.mark.parametrize("body", [{}, {"all": False}, {"ids": [], "all": True}, {"ids": ["x"]}, {"ids": "0/1-1"}])
def test_wrong_choices(served: Served, body: object) -> None:
    for action in ("resend", "drop"):
        assert served.http.post(f"{PATH}/{action}", json=body).status_code == 400


@pytest.mark.parametrize("letter_id", ["x/1-1", "0/x", "99/1-1", "0/-"])
def test_wrong_ids(served: Served, letter_id: str) -> None:
    assert served.http.get(f"{PATH}/{letter_id}").status_code == 400
    assert served.http.get(PATH, params={"continuation": "eA"}).status_code == 400


def test_letters_are_asked_for_by_their_ids_and_what_is_gone_is_left_out(served: Served) -> None:
    first, second, third = make_letters(served, 3)
    assert served.http.delete(f"{PATH}/{second}").is_success
    assert [letter["id"] for letter in letters(served, id=[third, second, first, third])] == [third, first]
    assert letters(served, id=[second]) == []
    assert all("traceback" not in letter for letter in letters(served, id=[first]))
    many = "&".join(f"id=0/{number}-0" for number in range(101))
    for wrong in ("id=nonsense", f"id={first}&limit=3", many):
        assert served.http.get(f"{PATH}?{wrong}").status_code == 400, wrong
