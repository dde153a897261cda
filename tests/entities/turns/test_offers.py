"""What entities take that was handed over in memory, and when what they send is."""

from __future__ import annotations

import asyncio

import pytest

from stead.entities import ClassEntityType, Entity, Registry
from stead.entities._message.envelope import LOCK, RELEASE, decode_message, encode_message
from stead.entities._partition.activation import HoppingKind
from stead.entities._partition.refusal import Refusal
from stead.entities._turns.entity_kind import EntityKind
from support.hop_bench import HopBench


class Note(Entity):
    """What was written on it, and what is to be written on others."""

    lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)

    def pass_on(self, key: str, line: str) -> None:
        self.context.signal_entity(Note.write, key, line)

    def pass_on_and_fail(self, key: str, line: str) -> None:
        self.context.signal_entity(Note.write, key, line)
        raise ValueError("no")

    async def write_slowly(self, line: str) -> None:
        await asyncio.sleep(0)
        self.lines.append(line)


class NoteBench(HopBench):
    """A bench with notes on it, all of one partition."""

    def __init__(self) -> None:
        super().__init__(1)
        registry = Registry()
        registry.add(ClassEntityType(Note))
        self.notes = EntityKind(registry, lambda: 1_000, 1_000_000)
        self._environment.find_kind = lambda target: self.notes
        self.hold(0)
        for operation in ("write", "write_slowly"):
            self.tell("a", operation, "ready")
            self.tell("b", operation, "ready")
            self.finish_all()
        self.commit()
        self.read()

    def tell(self, key: str, operation: str, *args: str) -> None:
        envelope = encode_message(f"@note@{key}", operation, list(args), b"m")
        self.hub.partitions[0].inbox.append(self.now_ms, envelope)

    def finish_all(self) -> None:
        self.read()
        for started in self.turn(0):
            started.close()
            self.held[0].finish(started.activation, None, ValueError("it was begun, so that its kind knows it"))


def offers(bench: HopBench, key: str) -> int:
    """How many messages lie in a mailbox that are in no inbox."""
    return sum(not pending.stream_id for pending in bench.held[0].activations[f"@note@{key}"].mailbox)


def test_what_succeeds_hands_over_what_it_sends() -> None:
    bench = NoteBench()
    bench.tell("a", "pass_on", "b", "line")
    bench.read()
    bench.one_turn(0)
    assert offers(bench, "b") == 1


@pytest.mark.hazard(58)
def test_what_fails_has_handed_over_nothing() -> None:
    bench = NoteBench()
    bench.tell("a", "pass_on_and_fail", "b", "line")
    bench.read()
    bench.one_turn(0)
    assert offers(bench, "b") == 0


@pytest.mark.hazard(56)
@pytest.mark.parametrize(
    ("operation", "taken"),
    [("write", True), ("write_slowly", False), ("nosuch", False), ("pass_on", False), (LOCK, True), (RELEASE, True)],
)
def test_what_is_taken_that_was_handed_over(operation: str, taken: bool) -> None:
    """What is synchronous, if its kind has seen it before: whether it is is not looked up for this."""
    bench = NoteBench()
    activation = bench.held[0].activations["@note@a"]
    message = decode_message(encode_message("@note@a", operation, [], b"m"))
    assert bench.notes.takes_offer(activation, message) is taken


def test_what_cannot_exist_takes_nothing() -> None:
    assert not isinstance(Refusal("no"), HoppingKind)
