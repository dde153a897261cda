"""The ends of one partition's entities, by hand: what a set says while other things are on their way, and hubs of earlier versions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from stead.entities import ClassEntityType, Entity, Registry
from stead.entities._index.catalogue import Catalogue
from stead.entities._index.expiries import KindExpiry
from stead.entities._measures.measures import Measured
from stead.entities._message.envelope import encode_firing, encode_message
from stead.entities._message.record import decode_record, encode_record
from stead.entities._message.reminders import EXPIRE, EXPIRY, Reminder, encode_reminders, reminder_timer_id
from stead.entities._message.rhythm import Again
from stead.entities._partition.activation import Phase
from stead.entities._partition.expiring import TOLD_MAX, put_off
from stead.entities._turns.entity_kind import EntityKind
from stead.transport import READY, Timer, pack, unpack
from stead.transport._memory.state import SortedSet
from support.core_bench import Bench

A = "@guest@a"
TTL_MS = 100_000


class Guest(Entity):
    visits: int = 0

    def visit(self) -> None:
        self.visits += 1

    def look(self) -> None: ...


class Inn(Bench):
    """A partition with guests, who expire."""

    def __init__(self, expires_ms: int = TTL_MS) -> None:
        super().__init__()
        registry = Registry()
        registry.add(ClassEntityType(Guest, expires_after=timedelta(milliseconds=expires_ms)))
        self.expiry = KindExpiry("guest", expires_ms)
        self.entities = EntityKind(registry, lambda: self.now_ms, 1_000_000)
        self.find_kind = lambda target: self.entities
        self.catalogue = Catalogue(1, (), (), [self.expiry])
        self.hub.partitions[0].catalogue = 1
        self.store.built[self.expiry.name] = READY
        self.partition = self.acquire()

    def run(self, operation: str, target: str = A) -> None:
        self.put(target, operation=operation)
        self.go()

    def go(self) -> None:
        """All there is to do, and a commit of it."""
        self.deliver(self.partition)
        self.turn(self.partition)
        if self.partition.wants_commit:
            self.commit(self.partition)

    def dues(self) -> dict[str, int]:
        """What the set says."""
        entries = self.store.entries.get(self.expiry.name) or SortedSet()
        return {member.decode(): round(score) for member, score in entries.scores.items()}

    def look(self) -> Any:
        """A look at the set begins."""
        return self.partition.indexing.expiring.look(self.expiry.name, self.partition.effects.used)

    def entries(self, look: Any) -> list[tuple[float, bytes]]:
        """What the store says to it now."""
        return (self.store.entries.get(self.expiry.name) or SortedSet()).order[: look.limit]

    def tell(self, look: Any = None, entries: Any = None) -> list[str]:
        """What is due is told; gives whom."""
        look = look or self.look()
        dues = self.partition.indexing.expiring.looked(
            look, self.entries(look) if entries is None else entries, self.now_ms
        )
        for due in dues:
            self.partition.deliver_due(due)
        return [due.target for due in dues]

    def exists(self, target: str = A) -> bool:
        return target in self.store.records


@pytest.mark.hazard(103)
def test_one_that_is_due_goes_and_leaves_nothing() -> None:
    inn = Inn()
    inn.run("visit")
    assert inn.dues() == {"a": inn.now_ms + 110_000}
    inn.now_ms += 109_999
    assert inn.tell() == []
    inn.now_ms += 1
    assert inn.tell() == [A] and inn.tell() == []  # nobody is told twice
    inn.go()
    assert (inn.exists(), inn.dues(), len(inn.store.index)) == (False, {}, 0)
    [activation] = inn.partition.activations.values()
    [due] = inn.partition.indexing.expiring.told[inn.expiry.name].values()
    assert inn.partition.is_over(activation, due)
    inn.partition.forget_gone(activation)
    assert inn.partition.activations == {}
    meter = inn.entities._measures.meters[Measured("operation", "Guest", EXPIRE)]
    assert (meter.count, meter.failed) == (1, 0)  # it is counted as what it is, though it takes no turn


@pytest.mark.hazard(104)
def test_a_use_is_written_once_in_a_tenth_and_no_record_with_it() -> None:
    inn = Inn()
    inn.run("visit")
    record, first = inn.store.records[A], inn.dues()
    for _ in range(10):
        inn.now_ms += 1_000
        inn.run("look")
    assert (inn.store.records[A], inn.dues()) == (record, first)
    inn.now_ms += 1
    inn.run("look")
    assert (inn.store.records[A], inn.dues()) == (record, {"a": inn.now_ms + 110_000})


@pytest.mark.hazard(104)
@pytest.mark.parametrize("when", ["before", "in flight", "between"])
def test_an_answer_that_was_on_its_way_ends_nobody_who_was_used_meanwhile(when: str) -> None:
    """Though the activation that knew of it is evicted before the answer comes."""
    inn = Inn()
    inn.run("visit")
    inn.now_ms += 110_000
    inn.put(A, operation="look")
    inn.deliver(inn.partition)
    if when == "before":
        inn.turn(inn.partition)
        commit, look = None, inn.look()
    elif when == "in flight":
        inn.turn(inn.partition)
        commit = inn.partition.next_commit()
        look = inn.look()
    else:
        commit, look = None, inn.look()
        inn.turn(inn.partition)
    old = inn.entries(look)
    commit = commit or inn.partition.next_commit()
    inn.apply(commit)
    inn.partition.committed()
    inn.partition.round += 1
    assert inn.partition.evict(0) == 1
    assert inn.tell(look, old) == []
    inn.go()
    assert inn.exists()
    assert inn.partition.indexing.expiring.next_ms == {inn.expiry.name: inn.now_ms + 110_000}


@pytest.mark.hazard(103)
def test_what_waits_behind_it_is_served_by_the_old_one() -> None:
    inn = Inn()
    inn.run("visit")
    inn.now_ms += 110_000
    assert inn.tell() == [A]
    inn.run("visit")  # it comes before the entity has taken its turn
    record = decode_record(inn.store.records[A])
    assert unpack(record.packed_state or b"")["visits"] == 2
    assert inn.dues() == {"a": inn.now_ms + 110_000}


@pytest.mark.hazard(103)
def test_one_that_is_locked_stays() -> None:
    inn = Inn()
    inn.store.records[A] = encode_record(pack({"visits": 1}), 0, [b"request", "owner", []])
    inn.hub.add_to_index(0, A)
    inn.store.entries[inn.expiry.name] = SortedSet()
    inn.store.entries[inn.expiry.name].put(float(inn.now_ms), b"a")
    assert inn.tell() == [A]
    inn.go()
    assert inn.exists() and inn.dues() == {"a": inn.now_ms + 10_000}


@pytest.mark.hazard(103)
def test_who_is_not_there_any_more_goes_from_the_set() -> None:
    inn = Inn()
    inn.store.entries[inn.expiry.name] = SortedSet()
    inn.store.entries[inn.expiry.name].put(5.0, b"a")
    assert inn.tell() == [A]
    inn.go()
    assert inn.dues() == {}
    inn.run("look")  # a fresh one, which does not exist by that
    assert not inn.exists() and inn.dues() == {}


@pytest.mark.hazard(103)
def test_a_fresh_one_does_not_stay_for_as_long_as_the_old_one_was_to() -> None:
    inn = Inn()
    inn.run("visit")
    [activation] = inn.partition.activations.values()
    put_off(activation, 50 * TTL_MS, inn.expiry.name, inn.partition.effects)
    inn.go()
    assert inn.dues() == {"a": inn.now_ms + 50 * TTL_MS}
    inn.run("delete")
    assert not inn.exists() and inn.dues() == {}
    inn.run("visit")
    assert inn.exists() and inn.dues() == {"a": inn.now_ms + 110_000}


def test_what_cannot_be_loaded_is_told_again_a_step_later() -> None:
    inn = Inn()
    inn.store.records[A] = encode_record(pack({"visits": "many"}), 0)
    inn.hub.add_to_index(0, A)
    inn.store.entries[inn.expiry.name] = SortedSet()
    inn.store.entries[inn.expiry.name].put(5.0, b"a")
    assert inn.tell() == [A]
    inn.go()
    activation = inn.partition.activations[A]
    assert activation.phase is Phase.BLOCKED
    [due] = inn.partition.indexing.expiring.told[inn.expiry.name].values()
    assert not inn.partition.is_over(activation, due)
    inn.commit(inn.partition)
    assert inn.partition.is_over(activation, due) and not activation.express
    assert inn.dues() == {"a": inn.now_ms + 10_000} and inn.exists()


def test_many_are_told_in_pieces() -> None:
    inn = Inn()
    for number in range(TOLD_MAX + 10):
        inn.put(f"@guest@{number:04}", operation="visit")
    inn.go()
    inn.now_ms += 110_000
    expiring, name = inn.partition.indexing.expiring, inn.expiry.name
    assert expiring.is_due(name, inn.now_ms)
    assert len(inn.tell()) == TOLD_MAX
    assert not expiring.is_due(name, inn.now_ms)  # there is more, and no room
    inn.go()
    for target in expiring.take_landed():
        expiring.told[name].pop(target, None)
    assert expiring.is_due(name, inn.now_ms) and len(inn.tell()) == 10
    inn.go()
    assert inn.store.records == {} and not expiring.is_due(name, inn.now_ms)


@pytest.mark.hazard(20)
def test_what_was_due_when_workers_died_runs_behind_a_marker() -> None:
    inn = Inn()
    inn.run("visit")
    inn.now_ms += 110_000
    inn.partition = inn.acquire()  # as if the last had died
    assert not inn.partition.suspects.careful
    inn.partition = inn.acquire()
    assert inn.partition.suspects.careful
    inn.deliver(inn.partition)
    inn.partition.settle_suspects()
    inn.commit(inn.partition)
    assert inn.tell() == [A]
    assert inn.turn(inn.partition) == [] and inn.exists()
    assert inn.partition.wants_care
    inn.load(inn.partition)
    assert inn.wake(inn.partition, []) == 1
    assert inn.store.running is not None and inn.store.running.target.endswith(A)
    inn.commit(inn.partition)
    assert not inn.exists()


# -- hubs that an earlier version has worked on ---------------------------------------------------------------------------


def remembered(inn: Inn, due_ms: int, expires_ms: int = TTL_MS) -> None:
    """An entity as an earlier version leaves it: its end is a reminder."""
    reminder = Reminder(b"generation", due_ms, Again(expires_ms), encode_message(A, EXPIRE, (), b""))
    inn.store.records[A] = encode_record(pack({"visits": 7}), 0, None, {"r": encode_reminders({EXPIRY: reminder})})
    inn.hub.add_to_index(0, A)
    inn.store.timers.set(Timer(reminder_timer_id(A, EXPIRY), due_ms, encode_firing(A, EXPIRY, b"generation", b"id")))


@pytest.mark.hazard(26)
@pytest.mark.hazard(103)
@pytest.mark.parametrize("before_ms", [TTL_MS, 40_000, 300_000])
def test_one_that_had_a_reminder_ends_when_it_was_to(before_ms: int) -> None:
    inn = Inn()
    due_ms = inn.now_ms + 50_000
    remembered(inn, due_ms, before_ms)
    inn.now_ms = due_ms
    inn.fire(inn.partition)
    inn.go()
    assert inn.dues() == {"a": max(1, due_ms - before_ms + TTL_MS)}  # after the class's own time
    assert len(inn.store.timers.by_id) == 0
    inn.now_ms = max(inn.now_ms, inn.dues()["a"])
    assert inn.tell() == [A]
    inn.go()
    assert not inn.exists() and inn.dues() == {}


@pytest.mark.hazard(26)
@pytest.mark.hazard(104)
def test_one_that_had_a_reminder_loses_it_with_its_next_use() -> None:
    inn = Inn()
    remembered(inn, inn.now_ms + 50_000)
    inn.run("visit")
    record = decode_record(inn.store.records[A])
    assert "r" not in record.more and unpack(record.packed_state or b"")["visits"] == 8
    assert len(inn.store.timers.by_id) == 0
    assert inn.dues() == {"a": inn.now_ms + 110_000}


@pytest.mark.hazard(26)
def test_a_class_that_does_not_expire_any_more_forgets_the_reminder() -> None:
    inn = Inn()
    inn.catalogue = Catalogue(0, ())
    registry = Registry()
    registry.add(ClassEntityType(type("Guest", (Guest,), {"__module__": __name__})))
    inn.entities = EntityKind(registry, lambda: inn.now_ms, 1_000_000)
    inn.hub.partitions[0].catalogue = 0
    inn.partition = inn.acquire()
    remembered(inn, inn.now_ms)
    inn.fire(inn.partition)
    inn.go()
    assert inn.exists() and decode_record(inn.store.records[A]).more == {}
