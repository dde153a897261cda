"""Code that ends its worker while a rewinding replays it: the instance can be seen to have failed, and others run (HAZARDS 20)."""

from __future__ import annotations

from typing import Any

import pytest

from stead.entities.extending import Partition
from stead.orchestrations._execution.context import OrchestrationContext
from stead.orchestrations._execution.execution import REPLAY_STEP
from stead.orchestrations._history.messages import StartMessage, encode_start
from stead.orchestrations._history.record import InstanceRecord, decode_instance_record
from stead.orchestrations._instance.kind import OrchestrationKind
from support.core_bench import Bench
from support.instance_driver import PlainCode, make_types
from support.kind_bench import FakeRegistry

LENGTH = 6 * REPLAY_STEP  # external events that the code waits for, one after the other
EVENT_S = 0.001  # what it does after each takes so long: a slice is over after a step
TRIES = 3
ONE, BESIDE = "one", "@list@beside"


class Ended(KeyboardInterrupt):
    """Stands for the end of the process: unlike what else code may raise, it comes out of a turn."""


class RewindBench(Bench):
    """With an orchestration whose replay ends the process at an event, and entities beside it."""

    def __init__(self) -> None:
        super().__init__(poison_tries_max=TRIES)

        async def flow(context: OrchestrationContext) -> Any:
            for number in range(LENGTH):
                await context.wait_for_external_event("go")
                self.elapsed += EVENT_S
                if number == self.deadly_event:
                    raise Ended
            if self.fails:
                raise ValueError("not yet")
            return LENGTH

        registry = FakeRegistry()
        registry.codes["flow", None] = PlainCode(flow)
        instances = OrchestrationKind(
            registry,  # type: ignore[arg-type]
            self.settings,
            lambda: self.now_ms,
            lambda name, queue: "unknown",
            make_types(),
        )
        self.find_kind = lambda target: self.kind if target.startswith("@") else instances
        self.deadly_event: int | None = None
        self.fails = True

    def own(self) -> Partition:
        """A tenure in which all is done that there is to do, in slices."""
        owner = self.acquire()
        self.work(owner)
        while owner.has_turns:
            self.work(owner)
        return owner

    def turn(self, partition: Partition) -> Any:
        return partition.take_turns(self.elapsed + EVENT_S)

    @property
    def instance(self) -> InstanceRecord:
        return decode_instance_record(self.store.records[ONE])


@pytest.fixture
def bench() -> RewindBench:
    """With an instance that has failed."""
    bench = RewindBench()
    bench.put_raw(encode_start(ONE, StartMessage("flow", None, None, bench.now_ms), b"start"))
    for number in range(LENGTH):
        bench.put(ONE, "go", number, operation="event")
    bench.release(bench.own())
    assert bench.instance.failure is not None and bench.instance.failure["type"] == "ValueError"
    return bench


@pytest.mark.hazard(20)
@pytest.mark.parametrize("half_done", [False, True])
def test_a_rewinding_whose_replay_kills_ends_and_can_be_done_again_with_mended_code(
    bench: RewindBench, half_done: bool
) -> None:
    """In its first slice the message that asks for it is what kills: the instance stays as it failed. Later it is the message
    that the instance has sent itself: it fails by that. Either way it runs no more, and ends no more workers."""
    bench.deadly_event = LENGTH // 2 if half_done else REPLAY_STEP // 2
    bench.put(ONE, "", operation="rewind")
    tries: list[int] = []
    for _ in range(2 + TRIES):  # two before anybody goes carefully
        with pytest.raises(Ended):
            bench.own()
        assert bench.instance.status == ("Running" if half_done else "Failed")
        if bench.store.running is not None:
            assert bench.store.running.target == ONE
            tries.append(bench.store.running.tries)
    assert tries == [*range(1, TRIES + 1)]
    bench.put(BESIDE, 1)
    heir = bench.own()
    assert (bench.state(BESIDE), bench.store.blocked, bench.store.running) == ([1], {}, None)
    assert not heir.suspects.active
    (letter,) = bench.letters
    assert letter.failure.type == "PoisonMessage"
    failure = bench.instance.failure
    assert bench.instance.status == "Failed" and failure is not None
    assert failure["type"] == ("PoisonMessage" if half_done else "ValueError")
    bench.release(heir)

    bench.deadly_event, bench.fails = None, False
    bench.put(ONE, "", operation="rewind")
    bench.release(bench.own())
    assert (bench.instance.status, bench.instance.output) == ("Completed", LENGTH)
    assert bench.instance.again is None
