"""The rule by which a group's readers share its partitions (HAZARDS 19, 98)."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.entities._client.change_sharing import GroupSharing, Held
from stead.entities._client.cursor import Place
from stead.transport import GroupRow, GroupView

pytestmark = pytest.mark.hazard(98)

CLAIM_MS, ALIVE_MS, DRAIN_MS, PARTITIONS = 900, 1_000, 500, 6


class Model:
    """A group in which each reader does what its rule says, whenever it is its turn; a reader may die, and stay away."""

    def __init__(self) -> None:
        self.now_ms = 10_000
        self.rows = {number: GroupRow(b"0.0.0.0.0") for number in range(PARTITIONS)}
        self.readers: dict[str, int] = {}
        self.living: dict[str, GroupSharing] = {}
        self.fences = 0

    def view(self) -> GroupView:
        return GroupView(self.now_ms, dict(self.readers), dict(self.rows))

    def attend(self, name: str) -> None:
        sharing = self.living[name]
        self.readers[name] = self.now_ms + ALIVE_MS
        for number, held in sharing.held.items():
            if self.rows[number].fence == held.fence:
                self.rows[number] = self.rows[number]._replace(until_ms=self.now_ms + CLAIM_MS)
        view = self.view()
        sharing.learn(view, {})
        wanted, released = sharing.wanted(view), sharing.given_back(view.now_ms)
        for number, fence in released:
            del sharing.held[number]
            assert self.rows[number].fence == fence
            self.rows[number] = GroupRow(self.rows[number].place)
        fences: dict[int, bytes] = {}
        for number in wanted:
            row = self.rows[number]
            assert not row.fence or row.until_ms < self.now_ms, "nothing is taken from who is heard of"
            self.fences += 1
            fences[number] = b"%d" % self.fences
            self.rows[number] = GroupRow(row.place, name, fences[number], self.now_ms + CLAIM_MS)
        sharing.learn(self.view(), fences)


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["attend", "attend", "attend", "come", "die", "busy"]), st.integers(0, 4), st.integers(0, 400)
    ),
    max_size=60,
)


@pytest.mark.hazard(19)
@given(ACTS)
def test_whoever_comes_and_dies_each_partition_is_soon_read_by_one(acts: list[tuple[str, int, int]]) -> None:
    model = Model()
    for act, nth, pass_ms in acts:
        model.now_ms += pass_ms
        name = f"r{nth}"
        if act == "come":
            model.living.setdefault(name, GroupSharing(name, ALIVE_MS, CLAIM_MS, DRAIN_MS))
        elif act == "die":
            model.living.pop(name, None)
        elif name in model.living and act == "busy":
            for held in model.living[name].held.values():  # what it has read is not done yet
                held.read = Place(1, 0, held.done.number + 1, 0, 0)
        elif name in model.living:
            model.attend(name)
    if not model.living:
        return
    for _ in range(12):
        model.now_ms += 300
        for name in model.living:
            model.attend(name)
    owners = {number: row.reader for number, row in model.rows.items()}
    assert set(owners.values()) <= set(model.living)
    assert all(model.living[owner].held[number].leaving_ms is None for number, owner in owners.items())
    shares = Counter(owners.values())
    assert max(shares.values()) - min(shares[name] for name in model.living) <= 1


def test_a_claim_of_a_clock_that_was_set_back_has_run_out() -> None:
    sharing = GroupSharing("a", ALIVE_MS, CLAIM_MS, DRAIN_MS)
    ahead = GroupRow(b"0.0.0.0.0", "b", b"1", 10_000_000)
    view = GroupView(5_000, {"b": 10_000_000}, {0: ahead})
    assert sharing.wanted(view) == []
    assert sharing.wanted(view._replace(now_ms=5_000 + CLAIM_MS // 3)) == [0]


def test_what_is_leaving_waits_for_what_was_read_of_it() -> None:
    sharing = GroupSharing("a", ALIVE_MS, CLAIM_MS, DRAIN_MS)
    sharing.held[0] = Held(b"1", Place(), Place(1, 0, 1), leaving_ms=1_000)
    sharing.held[1] = Held(b"2", Place(), Place(), leaving_ms=1_000)
    assert sharing.given_back(1_010) == [(1, b"2")]
    assert sharing.given_back(1_000 + DRAIN_MS) == [(0, b"1"), (1, b"2")]
