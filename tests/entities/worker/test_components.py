"""What a worker makes of commits that are written together, and of tenures that stand or fall with others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest

from stead.entities._partition.building import Unstorable
from stead.entities._partition.partition import Partition, Started
from stead.entities._worker.board import Board
from stead.entities._worker.commits import Committer
from stead.entities._worker.hooks import Hooks
from stead.entities._worker.turn_runner import TurnRunner
from stead.transport import Commit, CommitAnswer, CommitVerdict, KeyDamaged, Reply, ServerClock, Task
from stead.transport._memory.commits import commit as write_commits
from support.hop_bench import HopBench, send

pytestmark = pytest.mark.anyio

S, R, Q = 0, 1, 2


class Store:
    """The hub of a bench, of which an inbox may be damaged."""

    def __init__(self, bench: HopBench) -> None:
        self.generation = 1
        self.clock = ServerClock()
        self.sent: list[list[int]] = []
        self.damaged: int | None = None
        self._bench = bench

    async def commit(self, commits: Sequence[Commit], generation: int) -> list[CommitAnswer]:
        self.sent.append([commit.partition for commit in commits])
        found: dict[int, KeyDamaged] = {}
        for commit in commits:
            if any(partition == self.damaged for partition, _ in commit.sends):
                found[commit.partition] = KeyDamaged("it is a string", self.damaged, commit.partition, b"inbox")
        if found:
            components = {commit.component for commit in commits if commit.partition in found}
            well = [
                commit for commit in commits if commit.component not in components and commit.partition not in found
            ]
            answers = dict(zip([each.partition for each in well], self._write(well), strict=True))
            void = CommitVerdict.VOID
            return [found.get(each.partition) or answers.get(each.partition, void) for each in commits]
        return self._write(commits)

    def _write(self, commits: Sequence[Commit]) -> list[CommitAnswer]:
        return write_commits(self._bench.hub, commits, self._bench.now_ms, 100, 1_000) if commits else []


class Hub:
    """A bench with a board and a committer; S has handed something to R, and R has taken it."""

    def __init__(self, *more: tuple[str, str]) -> None:
        self.bench = bench = HopBench(4)
        bench.hold(S, R, Q)
        self.s, self.r, self.q = (bench.target(number) for number in (S, R, Q))
        self.elsewhere = bench.target(3)
        bench.hold(3)
        bench.ready(self.s, self.r, self.q)
        bench.give_back(3)  # what goes there goes through the store
        self.store = Store(bench)
        self.board = Board("w", self.store, bench.settings, bench._environment)  # type: ignore[arg-type]
        self.board.partitions = bench.held
        self.turns = TurnRunner(self.board)
        self.committer = Committer(self.board, self.turns)
        bench.put(self.s, "a", send(self.elsewhere, "x"), send(self.r, "m1"))
        bench.put(self.q, "by itself")
        bench.read()
        bench.turns()

    def ask(self, *numbers: int) -> None:
        for number in numbers:
            self.board.commit(self.bench.held[number])

    async def bench_is_settled(self) -> None:
        """What is linked is written, and all lanes are open."""
        self.ask(S, R, Q)
        await self.send()
        self.bench.read()

    async def send(self) -> None:
        await self.committer._send(self.committer._build())


async def test_who_is_linked_is_written_with_whoever_asks() -> None:
    hub = Hub()
    hub.ask(S)
    await hub.send()
    assert sorted(hub.store.sent[0]) == [S, R]
    assert (hub.bench.state(hub.s), hub.bench.state(hub.r)) == (["a"], ["m1"])


@pytest.mark.hazard(53)
@pytest.mark.parametrize(("lost", "other"), [(S, R), (R, S)])
async def test_what_is_void_is_released_and_begins_anew(lost: int, other: int) -> None:
    """What is lost is another's: its token is nobody's here. Who stands by itself is written."""
    hub = Hub()
    token = hub.bench.held[other].token
    hub.bench.steal(lost)
    hub.ask(S, R, Q)
    await hub.send()
    assert set(hub.board.partitions) == {Q}
    assert hub.board.unsure == {other: token}
    assert hub.bench.state(hub.q) == ["by itself"]


class Told(Hooks):
    """Hears what comes of a hub's commits."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.heard: list[str] = []

    def granted(self, partition: Partition, tasks: Sequence[Task]) -> None:
        self._hear(f"{partition.number} granted")

    def unwanted(self, partition: Partition, task_ids: Sequence[bytes]) -> None:
        self._hear(f"{partition.number} unwanted")

    def _hear(self, what: str) -> None:
        flying = [number for number in (S, R) if self._hub.bench.held[number].flies]
        self.heard.append(what if not flying else f"{what} while {flying} fly")


@pytest.mark.hazard(63)
@pytest.mark.parametrize("lost", [None, S, R])
async def test_nothing_of_a_component_leaves_before_all_of_it_is_known_to_be_written(lost: int | None) -> None:
    """S and R each grant a task, drop another one, set a timer and answer somebody."""
    hub = Hub()
    told = Told(hub)
    hub.board.listen(told)
    held = {number: hub.bench.held[number] for number in (S, R)}
    for number, partition in held.items():
        effects = partition.effects
        activation = partition.activations[hub.bench.target(number)]
        effects.schedule_task(activation, Task(b"own%d" % number, "", False, b"payload"))
        effects.drop_task(b"other%d" % number)
        effects.set_timer(b"timer%d" % number, 5_000_000, activation.target, "do", ["late", []])
        effects.reply(Reply(0, f"client{number}", b"answer"))
    if lost is not None:
        hub.bench.steal(lost)
    hub.ask(S)
    await hub.send()
    assert sorted(hub.store.sent[0]) == [S, R]
    due = [partition.next_due_ms for partition in held.values()]
    if lost is None:
        assert sorted(told.heard) == ["0 granted", "0 unwanted", "1 granted", "1 unwanted"]
        assert due == [5_000_000, 5_000_000] and len(hub.bench.hub.replies) == 2
    else:
        assert told.heard == [] and due == [None, None]
        assert hub.bench.hub.replies == {}
        assert not any(state.tasks or state.timers for state in hub.bench.hub.partitions)
        assert len(hub.bench.hub.partitions[3].inbox.entries) == 0


@pytest.mark.hazard(50)
@pytest.mark.hazard(53)
async def test_a_lease_that_is_lost_takes_those_along_that_it_is_linked_to() -> None:
    hub = Hub()
    token = hub.bench.held[R].token
    hub.board.lost({S})
    assert set(hub.board.partitions) == {Q}
    assert hub.board.unsure == {R: token}


@pytest.mark.hazard(50)
async def test_all_of_a_large_component_begin_anew() -> None:
    hub = Hub()
    hub.bench.put(hub.r, "b", send(hub.q, "m2", send(hub.s, "m3")))
    hub.bench.read()
    hub.bench.turns()
    hub.board.lost({R})
    assert hub.board.partitions == {}
    assert hub.board.unsure.keys() == {S, Q}


@pytest.mark.hazard(31)
async def test_a_component_goes_again_as_a_whole_without_what_cannot_be_delivered() -> None:
    """S sends to an inbox that is damaged. R is void by that: it is not let go of, and S is not written without it."""
    hub = Hub()
    hub.store.damaged = 3
    hub.ask(S, R, Q)
    await hub.send()
    first, again = hub.store.sent
    assert sorted(first) == [S, R, Q]
    assert sorted(again) == [S, R]
    assert (hub.bench.state(hub.s), hub.bench.state(hub.r), hub.bench.state(hub.q)) == (["a"], ["m1"], ["by itself"])
    [letter] = hub.bench.letters(S)
    assert letter.failure.kind == "undeliverable"


async def test_what_is_handed_over_waits_for_a_commit_in_flight() -> None:
    """R has a commit in flight when S hands it something: both are written when that has its verdict."""
    hub = Hub()
    hub.ask(S)
    batch = hub.committer._build()
    hub.bench.put(hub.q, "b", send(hub.r, "m2"))
    hub.bench.read()
    hub.bench.turns()
    hub.ask(Q)
    assert hub.committer._build() == []
    await hub.committer._send(batch)
    assert sorted(partition.number for partition in hub.board.to_commit) == [R, Q]
    await hub.send()
    assert hub.bench.state(hub.r) == ["m1", "m2"]


@pytest.mark.hazard(65)
async def test_who_is_not_linked_does_not_wait_for_that() -> None:
    hub = Hub()
    flying = hub.bench.build(R)
    hub.bench.put(hub.s, "b", send(hub.r, "m2"))
    hub.bench.read()
    hub.bench.turns()
    hub.ask(S, Q)
    await hub.send()
    assert hub.store.sent == [[Q]]
    assert hub.bench.apply(flying)


async def test_what_overtakes_a_heavy_batch_is_linked_to_nobody() -> None:
    hub = Hub()
    hub.ask(S, R, Q)
    assert [partition.number for partition, _ in hub.committer._build_light()] == [Q]


@pytest.mark.parametrize("error", [Unstorable("@list@a", "no"), RuntimeError("a bug")])
async def test_if_one_cannot_be_built_all_of_them_begin_anew(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever comes first; some of them have been built by then."""
    hub = Hub()
    real: Callable[..., Commit] = type(hub.bench.held[R]).build

    def build(self: object, batch_id: bytes | None = None, *, linked: bool = False) -> Commit:
        if self is hub.bench.held.get(R):
            raise error
        return real(self, batch_id, linked=linked)

    monkeypatch.setattr(type(hub.bench.held[R]), "build", build)
    hub.ask(S, R, Q)
    await hub.send()
    assert hub.store.sent == [[Q]]
    assert set(hub.board.partitions) == {Q}
    # What failed for no known reason is not released: whether that is a death is seen by who comes next.
    assert len(hub.board.unsure.keys() & {S, R}) == (2 if isinstance(error, Unstorable) else 1)


@pytest.mark.hazard(65)
async def test_who_was_handed_something_takes_its_turn_before_the_commit_is_built() -> None:
    """And whoever has something left after that goes on later."""
    hub = Hub()
    await hub.bench_is_settled()
    hub.bench.put(hub.s, "b", send(hub.r, "m2", send(hub.q, "m3")), send(hub.r, "m4"))
    hub.bench.read()
    hub.turns.wake(hub.bench.held[S])
    hub.turns._run()
    await hub.send()
    assert [len(sent) for sent in hub.store.sent[-1:]] == [3]
    assert (hub.bench.state(hub.r), hub.bench.state(hub.q)) == (["m1", "m2", "m4"], ["by itself", "m3"])


@pytest.mark.hazard(65)
async def test_what_is_left_of_a_slice_is_done_later() -> None:
    hub = Hub()
    await hub.bench_is_settled()
    elapsed = itertools.count(0.0, 0.0015)  # seconds: each look at the clock is worth a turn
    for number in (S, R):
        hub.bench.held[number].slice.elapsed = lambda: next(elapsed)
    hub.board.elapsed = lambda: 0.0
    hub.bench.put(hub.s, "b", *(send(hub.r, f"n{number}") for number in range(200)))
    hub.bench.read()
    hub.turns.wake(hub.bench.held[S])
    hub.turns._run()
    assert hub.bench.held[R].has_turns
    assert hub.bench.held[R] in [*hub.turns._rota._cut, *hub.turns._rota._woken]


async def test_one_that_ends_takes_others_along_that_were_to_take_their_turns() -> None:
    """S hands something to R and Q, and R's turn fails in stead itself."""
    hub = Hub()
    await hub.bench_is_settled()
    hub.bench.put(hub.s, "b", send(hub.r, "m2"), send(hub.q, "m3"))
    hub.bench.read()

    def take_turns(stop_at: float) -> list[Started]:
        raise RuntimeError("a bug")

    hub.bench.held[R].take_turns = take_turns  # type: ignore[method-assign]
    hub.turns.wake(hub.bench.held[S])
    hub.turns._run()
    assert hub.board.partitions == {}
    assert hub.board.unsure.keys() == {S, Q}


@pytest.mark.hazard(59)
async def test_who_is_given_back_hears_that_it_is_not_linked_any_more() -> None:
    """R holds an offer, and is to be given back. It is withdrawn when S is built, and R is settled then."""
    hub = Hub()
    hub.ask(S)
    await hub.send()
    hub.bench.put(hub.s, "b", send(hub.r, "m2"))
    hub.bench.read()
    hub.bench.turn(S)
    rung: list[int] = []
    hub.board.notify = lambda partition: rung.append(partition.number)  # type: ignore[method-assign]
    hub.bench.held[R].draining = True
    assert not hub.bench.held[R].settled
    hub.ask(S)
    hub.committer._build()
    assert R in rung
    assert hub.bench.held[R].settled
