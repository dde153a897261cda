"""An operation starts orchestrations: with its commit, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stead.entities import ClassEntityType, ContextEnded, Entity, EntityContext, InvalidInput, Registry
from stead.entities._message.envelope import ReplyAddress, decode_message, decode_reply, encode_message
from stead.entities._message.ids import check_instance_id
from stead.entities._turns.entity_kind import EntityKind
from stead.transport import Commit
from support.core_bench import Bench

CALLER = ReplyAddress(0, "client", 7)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Approval:
    """What a definition of an orchestration is here."""

    name = "Approval"
    version = "2.0"
    tags = {"team": "a", "kind": "x"}

    def encode_input(self, value: Any) -> Any:
        if value == "bad":
            raise InvalidInput("input", "it is bad")
        return {"amount": value}


class Starter(Entity):
    """Starts things."""

    last: str = ""
    kept: Any = None

    def start(self, *args: Any, **kwargs: Any) -> str:
        if args[0] == "Approval":
            args = (Approval(), *args[1:])
        if "at" in kwargs:
            kwargs["at"] = NOON
        self.last = self.context.start_new(*args, **kwargs)
        return self.last

    def start_and_fail(self) -> None:
        self.context.start_new("approval")
        raise ValueError("no")

    def start_and_change(self) -> None:
        value = [1]
        self.context.start_new("approval", value)
        value.append(2)

    def start_too_much(self) -> None:
        self.context.start_new("approval", "x" * 3_000)


class StarterBench(Bench):
    """A bench with one starter on it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        registry = Registry()
        registry.add(ClassEntityType(Starter))
        starters = EntityKind(registry, lambda: self.now_ms, 1_000_000)
        self.find_kind = lambda target: starters
        self.partition = self.acquire()

    def run(self, operation: str, *args: Any, **kwargs: Any) -> Commit:
        """Run one operation; gives its commit."""
        extras = {"k": kwargs, "r": list(CALLER)}
        self.put_raw(encode_message("@starter@a", operation, list(args), b"m", extras))
        self.deliver(self.partition)
        self.turn(self.partition)
        return self.commit(self.partition)


def args_of(commit: Commit) -> list[Any]:
    [start] = commit.starts
    message = decode_message(start.payload)
    assert (message.target, message.operation, message.message_id) == (start.target, "start", start.message_id)
    assert message.sender == "@starter@a"
    return list(message.args)


def answer_of(commit: Commit) -> Any:
    return decode_reply(commit.replies[0].payload)[1]


def test_a_start_leaves_with_the_commit_and_its_id_is_known_at_once() -> None:
    bench = StarterBench()
    commit = bench.run("start", "approval", {"amount": 1})
    assert args_of(commit) == ["approval", None, {"amount": 1}, bench.now_ms, None, None, None, 0]
    [start] = commit.starts
    assert answer_of(commit) == start.target
    assert check_instance_id(start.target) == start.target
    assert bench.run("start", "approval").starts[0].target != start.target, "each has an ID of its own"


def test_by_its_definition_and_with_everything() -> None:
    bench = StarterBench()
    commit = bench.run("start", "Approval", 7, instance_id="mine", at=True, tags={"kind": "y"})
    at_ms = int(NOON.timestamp() * 1000)
    tags = {"team": "a", "kind": "y"}
    assert args_of(commit) == ["Approval", "2.0", {"amount": 7}, bench.now_ms, at_ms, tags, None, 0]
    assert commit.starts[0].target == "mine"
    assert args_of(bench.run("start", "Approval", 7, version="1.0"))[1] == "1.0"


def test_an_operation_that_fails_starts_nothing() -> None:
    commit = StarterBench().run("start_and_fail")
    assert not commit.starts
    assert answer_of(commit).type == "ValueError"


def test_the_input_is_taken_as_it_is_at_the_call() -> None:
    assert args_of(StarterBench().run("start_and_change"))[2] == [1]


def test_a_start_that_is_too_large_is_the_operations_failure() -> None:
    commit = StarterBench(payload_bytes_max=2_000).run("start_too_much")
    assert not commit.starts
    assert answer_of(commit).type.endswith("PayloadTooLarge")
    assert answer_of(commit).message.startswith("start of ")


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (["approval"], {"instance_id": ""}),
        (["approval"], {"instance_id": "@entity@key"}),
        (["approval"], {"instance_id": "a/b"}),
        (["approval"], {"instance_id": 7}),
        (["approval"], {"tags": {"a": 1}}),
        (["approval"], {"tags": {"": "1"}}),
        (["approval"], {"tags": {str(number): "" for number in range(65)}}),
        ([""], {}),
        (["a\nb"], {}),
        ([7], {}),
        (["Approval", "bad"], {}),
    ],
)
def test_a_start_that_cannot_be_is_refused_at_the_call(args: list[Any], kwargs: dict[str, Any]) -> None:
    commit = StarterBench().run("start", *args, **kwargs)
    assert not commit.starts
    failure = answer_of(commit)
    assert failure.kind == "operation", "it is the operation's mistake, not its caller's"
    assert failure.type.rpartition(".")[2] == "InvalidInput"


def test_a_context_that_has_ended_starts_nothing() -> None:
    kept: list[EntityContext] = []

    class Keeper(Entity):
        def keep(self) -> None:
            kept.append(self.context)

    bench = StarterBench()
    registry = Registry()
    registry.add(ClassEntityType(Keeper))
    keepers = EntityKind(registry, lambda: bench.now_ms, 1_000_000)
    bench.find_kind = lambda target: keepers
    partition = bench.acquire()
    bench.put_raw(encode_message("@keeper@a", "keep", [], b"m"))
    bench.work(partition)
    with pytest.raises(ContextEnded):
        kept[0].start_new("approval", at=NOON + timedelta(hours=1))


@pytest.mark.parametrize("good", ["a", "x" * 256, "order 7", "ö|é", "a@b", "a:b.c-d_e"])
def test_instance_ids(good: str) -> None:
    assert check_instance_id(good) == good


@pytest.mark.parametrize(
    "bad", ["", "x" * 257, "@a", "a/b", "a\\b", "a#b", "a?b", "a\nb", "a\x7fb", "a\x85b", "\ud800", 7, None]
)
def test_what_is_no_instance_id(bad: Any) -> None:
    with pytest.raises(InvalidInput):
        check_instance_id(bad)
