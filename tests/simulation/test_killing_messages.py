"""What ends every process that runs it, decodes it or loads it, in virtual time: it is found, its neighbours run, and no death
too many.

What a real process makes of it is in `processes/test_harmful_operations.py`; here no clock is watched but the test's own.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

import pytest

from stead.entities import ClassEntityType, DeadLetters, Entity, EntityClient, Registry, Worker
from stead.entities._client import dead_letters
from stead.entities._message.envelope import Message, decode_message
from stead.entities._partition import intake
from stead.entities._partition.partition import Partition
from stead.entities._turns.entity_kind import EntityKind
from stead.entities._worker import worker as worker_module
from stead.transport import ManualClock, MemoryStore, Settings, partition_of
from support.dying_worker import die

PARTITIONS = 4
DEADLY = b"a payload that a library cannot bear"
KEYS = [f"key-{number}" for number in range(12)]
LIMIT_MS = 600_000  # of virtual time

dying: dict[str, asyncio.Event] = {}
held_up: set[str] = set()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What goes wrong is logged, as it should."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class Patient(Entity):
    """Counts, and has a message that no process survives."""

    count: int = 0

    def add(self) -> None:
        self.count += 1

    def take(self, payload: bytes) -> None:
        self.count += 1

    async def hold(self) -> None:
        if held_up:
            await asyncio.Event().wait()

    async def kill(self) -> None:
        dying[self.context.entity_id.key].set()
        await asyncio.Event().wait()  # the process ends here


class Ward:
    """A hub in memory with two workers, each replaced when it dies."""

    def __init__(self) -> None:
        self.settings = Settings(
            partitions=PARTITIONS,
            slot_groups=1,
            lease_ms=1_000,
            heartbeat_ms=200,
            worker_keep_ms=2_000,
            mailbox_length_max=20,
        )
        self.clock = ManualClock()
        self.store = MemoryStore("hub", self.settings, self.clock)
        self.registry = Registry()
        self.registry.add(ClassEntityType(Patient))
        self.client = EntityClient(self.store, self.registry, self.settings)
        self.workers: list[Worker] = []
        self.deaths: Counter[str] = Counter()
        self.decoding: list[Worker] = []  # those that have just died of decoding something

    async def open(self) -> None:
        for _ in range(2):
            await self.replace()

    async def replace(self) -> None:
        worker = Worker(self.store, self.registry, self.settings)
        self.workers.append(worker)
        await worker.start()

    async def step(self) -> None:
        """Some turns and a tenth of a second; whoever runs a message that kills dies of it."""
        for _ in range(40):
            await asyncio.sleep(0)
        await asyncio.sleep(0.0002)
        for key, event in dying.items():
            if event.is_set():
                event.clear()
                await self.bury(key)
        while self.decoding:
            self.deaths["decoding"] += 1
            await self.end(self.decoding.pop())
        self.clock.advance_to(self.clock.now_ms() + 100)

    async def bury(self, key: str) -> None:
        """End the worker that holds the entity, and start another."""
        target = f"@patient@{key}"
        for worker in self.workers:
            board = worker._board
            assert board is not None
            if any(target in partition.activations and partition.busy for partition in board.partitions.values()):
                self.deaths[key] += 1
                await self.end(worker)
                return

    async def end(self, worker: Worker) -> None:
        """It ends as its process does, and another one is started."""
        self.workers.remove(worker)
        await die(worker)
        await self.replace()

    def decode(self, envelope: bytes) -> Message:
        """What no process survives, for one payload: the task in which it happens goes no further, and nobody hears of it."""
        if DEADLY in envelope:
            self.collapse()
        return decode_message(envelope)

    def collapse(self) -> NoReturn:
        """The process ends here."""
        (worker,) = [worker for worker in self.workers if asyncio.current_task() in tasks_of(worker)]
        if worker not in self.decoding:
            worker._ended = True
            self.decoding.append(worker)
            assert worker._board is not None
            for task in worker._tasks:  # it takes nothing anew, which only one does that lives
                task.cancel()
            for partition in list(worker._board.partitions.values()):
                worker._board.drop(partition, "its process has ended")
        raise asyncio.CancelledError

    def loading_kills(
        self, victims: Sequence[str]
    ) -> Callable[[EntityKind, str, bytes | None, Sequence[bytes]], object]:
        """What is stored of these entities is such that no process survives to look into it."""
        targets, activate = {f"@patient@{key}" for key in victims}, EntityKind.activate

        def activate_or_die(kind: EntityKind, target: str, record: bytes | None, log: Sequence[bytes]) -> object:
            if target in targets:
                self.collapse()
            return activate(kind, target, record, log)

        return activate_or_die

    async def start_anew(self) -> None:
        """Other processes take over, as in a deployment."""
        for worker in list(self.workers):
            stopping = asyncio.create_task(worker.stop())
            while not stopping.done():
                await self.step()
            self.workers.remove(worker)
            await self.replace()

    async def blocked(self) -> dict[str, str]:
        return {target: why for partition in await self.store.info() for target, why in partition.blocked.items()}

    async def counts(self) -> dict[str, int]:
        return {entity_id.key: patient.count async for entity_id, patient in self.client.list_entities(Patient)}

    async def until(self, letters: int) -> None:
        end_ms = self.clock.now_ms() + LIMIT_MS
        while len([letter async for letter in DeadLetters(self.store).all()]) < letters or not self.store.is_idle():
            assert self.clock.now_ms() < end_ms, f"deaths: {self.deaths}"
            await self.step()

    async def ends(self, lasts: Callable[[], bool]) -> None:
        end_ms = self.clock.now_ms() + LIMIT_MS
        while lasts():
            assert self.clock.now_ms() < end_ms, f"deaths: {self.deaths}"
            await self.step()

    async def close(self) -> None:
        for worker in self.workers:
            stopping = asyncio.create_task(worker.stop())
            while not stopping.done():
                await self.step()
        await self.client.aclose()


@pytest.mark.hazard(20)
@pytest.mark.parametrize("killers", [KEYS[:1], KEYS[:3]])
async def test_it_becomes_a_dead_letter_after_a_bounded_number_of_deaths(killers: list[str]) -> None:
    dying.clear()
    dying.update({key: asyncio.Event() for key in killers})
    ward = Ward()
    await ward.open()
    for key in KEYS:
        await ward.client.signal_entity(Patient.add, key)
    for key in killers:
        await ward.client.signal_entity(Patient.kill, key)
    for key in KEYS:
        await ward.client.signal_entity(Patient.add, key)
    await ward.until(len(killers))
    letters = [letter async for letter in DeadLetters(ward.store).all()]
    assert sorted((letter.target, letter.operation, letter.failure.kind) for letter in letters) == [
        (f"@patient@{key}", "kill", "poison") for key in sorted(killers)
    ]
    assert {letter.tries for letter in letters} == {ward.settings.poison_tries_max}
    # Two ends may be anything; from then on each is known to be this message's.
    assert sum(ward.deaths.values()) <= (2 + ward.settings.poison_tries_max) * len(killers)
    counts = {entity_id.key: patient.count async for entity_id, patient in ward.client.list_entities(Patient)}
    assert counts == dict.fromkeys(KEYS, 2)
    await ward.close()


@pytest.mark.invariant(12)
async def test_those_that_live_elsewhere_go_on_meanwhile() -> None:
    dying.clear()
    dying["key-0"] = asyncio.Event()
    ward = Ward()
    await ward.open()
    elsewhere = [key for key in KEYS if home(key) != home("key-0")]
    await ward.client.signal_entity(Patient.kill, "key-0")
    for deaths in (1, 2, 3):
        while ward.deaths["key-0"] < deaths:
            await ward.step()
        for key in elsewhere:
            await ward.client.signal_entity(Patient.add, key)
        end_ms = ward.clock.now_ms() + 20_000
        while True:
            counts = {entity_id.key: patient.count async for entity_id, patient in ward.client.list_entities(Patient)}
            if counts == dict.fromkeys(elsewhere, deaths):
                break
            assert ward.clock.now_ms() < end_ms, counts
            await ward.step()
    await ward.until(1)
    await ward.close()


@pytest.mark.hazard(20)
@pytest.mark.parametrize("victims", [KEYS[:1], KEYS[:3], [KEYS[0]] * 2])
async def test_what_kills_while_it_is_decoded_becomes_a_dead_letter_that_nobody_decodes(
    victims: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dying.clear()
    ward = Ward()
    monkeypatch.setattr(intake, "decode_message", ward.decode)
    monkeypatch.setattr(dead_letters, "decode_message", ward.decode)
    await ward.open()
    for key in KEYS:
        await ward.client.signal_entity(Patient.take, key, b"what")
    for key in victims:
        await ward.client.signal_entity(Patient.take, key, DEADLY)
    for key in KEYS:
        await ward.client.signal_entity(Patient.take, key, b"ever")
    await ward.until(len(victims))
    letters = [letter async for letter in DeadLetters(ward.store).all()]
    assert [(letter.target, letter.failure.kind) for letter in letters] == [("", "poison")] * len(victims)
    assert {letter.tries for letter in letters} == {ward.settings.poison_tries_max}
    assert all(DEADLY in letter.envelope for letter in letters)
    assert sum(ward.deaths.values()) <= (2 + ward.settings.poison_tries_max) * len(victims)
    counts = {entity_id.key: patient.count async for entity_id, patient in ward.client.list_entities(Patient)}
    assert counts == dict.fromkeys(KEYS, 2)
    assert not any(partition.suspects.careful for partition in held(ward))
    await ward.close()


@pytest.mark.hazard(20)
async def test_so_does_one_that_is_decoded_when_it_comes_out_of_a_park(monkeypatch: pytest.MonkeyPatch) -> None:
    dying.clear()
    ward = Ward()
    await ward.open()
    held_up.add("one")
    await ward.client.signal_entity(Patient.hold, "one")
    for _ in range(30):
        await ward.client.signal_entity(Patient.take, "one", b"what")
    await ward.client.signal_entity(Patient.take, "one", DEADLY)
    for _ in range(30):
        await ward.client.signal_entity(Patient.take, "one", b"ever")
    while sum(partition.parked for partition in await ward.store.info()) < 40:
        await ward.step()
    held_up.clear()
    monkeypatch.setattr(intake, "decode_message", ward.decode)
    monkeypatch.setattr(dead_letters, "decode_message", ward.decode)
    (owner,) = [worker for worker in ward.workers if worker.busy]
    await ward.end(owner)
    await ward.until(1)
    (letter,) = [letter async for letter in DeadLetters(ward.store).all()]
    assert (letter.failure.kind, DEADLY in letter.envelope) == ("poison", True)
    assert sum(ward.deaths.values()) <= 2 + ward.settings.poison_tries_max
    patient = await ward.client.read_entity(Patient, "one")
    assert patient is not None
    assert patient.count == 60
    assert not any(partition.suspects.careful for partition in held(ward))
    await ward.close()


@pytest.mark.hazard(20)
@pytest.mark.invariant(12)
@pytest.mark.parametrize("victims", [KEYS[:1], KEYS[:3]])
async def test_what_kills_while_it_is_loaded_is_blocked_until_there_is_another_program(
    victims: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dying.clear()
    monkeypatch.setattr(worker_module, "program", lambda: "0b5e")
    ward = Ward()
    await ward.open()
    for key in KEYS:
        await ward.client.signal_entity(Patient.add, key)
    await ward.until(0)
    await ward.start_anew()
    with monkeypatch.context() as broken:
        broken.setattr(EntityKind, "activate", ward.loading_kills(victims))
        for _ in range(2):
            for key in KEYS:
                await ward.client.signal_entity(Patient.add, key)
        await ward.until(0)
        tries = ward.settings.poison_tries_max
        assert 0 < ward.deaths["decoding"] <= (2 + tries) * len(victims)
        assert await ward.counts() == {key: 1 if key in victims else 3 for key in KEYS}
        blocked = await ward.blocked()
        assert sorted(blocked) == sorted(f"@patient@{key}" for key in victims)
        assert all(f"ended {tries} workers (of programs 0b5e)" in why for why in blocked.values())
        await ward.ends(lambda: any(partition.suspects.careful for partition in held(ward)))

        deaths = ward.deaths["decoding"]
        await ward.start_anew()  # the same program: it leaves them alone, also what comes for them later
        for key in KEYS:
            await ward.client.signal_entity(Patient.add, key)
        await ward.until(0)
        assert ward.deaths["decoding"] == deaths
        assert await ward.counts() == {key: 1 if key in victims else 4 for key in KEYS}

        monkeypatch.setattr(worker_module, "program", lambda: "0c1d")
        await ward.start_anew()  # another, which is not better: once, while those of before still take part
        while any("0c1d" not in why for why in (await ward.blocked()).values()):
            await ward.step()
        await ward.until(0)
        assert deaths < ward.deaths["decoding"] <= deaths + len(victims)
        assert all("(of programs 0b5e, 0c1d)" in why for why in (await ward.blocked()).values())
    monkeypatch.setattr(worker_module, "program", lambda: "0d0d")
    await ward.start_anew()
    while await ward.blocked():
        await ward.step()
    await ward.until(0)
    assert await ward.counts() == dict.fromkeys(KEYS, 4)
    assert not [letter async for letter in DeadLetters(ward.store).all()]
    await ward.close()


def tasks_of(worker: Worker) -> set[asyncio.Task[None]]:
    turns = worker._turns
    return {*worker._tasks, *(turns._tasks if turns is not None else ())}


def held(ward: Ward) -> list[Partition]:
    boards = [worker._board for worker in ward.workers]
    return [partition for board in boards if board is not None for partition in board.partitions.values()]


def home(key: str) -> int:
    return partition_of(f"@patient@{key}", PARTITIONS)
