"""Python's garbage collector is tuned in the processes of the commands, and nobody else's is touched."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator

import pytest

from stead.app import App
from stead.app._hub.collection import THRESHOLDS, tune_collection
from stead.transport import Settings
from support.user_folder import DEADLINE_S, Stead, eventually

COLLECTOR = """

import gc

gc.set_threshold({own})

@app.entity_function("Collector")
def collector(context: EntityContext) -> tuple[list[int], bool]:
    return list(gc.get_threshold()), gc.get_freeze_count() > 10_000
"""

AT_EXIT = """

import atexit
import gc
import pathlib

atexit.register(lambda: pathlib.Path("collector.txt").write_text(f"{gc.get_threshold()} {gc.get_freeze_count() > 10_000}"))
"""

PYTHONS = ",".join(str(threshold) for threshold in gc.get_threshold())


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """The collector of the tests' own process, with nothing frozen, and afterwards as it was before."""
    before, frozen = gc.get_threshold(), gc.get_freeze_count() > 0
    gc.unfreeze()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()
    if frozen:
        gc.freeze()


def is_tuned() -> bool:
    tuned = gc.get_threshold() == THRESHOLDS
    assert tuned == (gc.get_freeze_count() > 0)
    return tuned


def add(stead: Stead, code: str) -> None:
    source = stead.folder / f"{stead.module}.py"
    source.write_text(source.read_text() + code)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "said", "own", "expected"),
    [
        (["worker"], "auto", PYTHONS, [list(THRESHOLDS), True]),
        (["worker", "--processes", "2"], "auto", PYTHONS, [list(THRESHOLDS), True]),
        (["dev", "--port", "0"], "auto", PYTHONS, [list(THRESHOLDS), True]),
        (["worker"], "auto", "900, 5, 5", [[900, 5, 5], False]),
    ],
)
def test_in_a_command(
    stead: Stead, monkeypatch: pytest.MonkeyPatch, command: list[str], said: str, own: str, expected: list[object]
) -> None:
    monkeypatch.setenv("STEAD_GARBAGE_COLLECTION", said)
    add(stead, COLLECTOR.format(own=own))
    process = stead.start(command[0], stead.reference, *command[1:])
    assert json.loads(stead("call", "Collector", "a", "ask").out) == expected
    process.terminate()
    assert process.wait(DEADLINE_S) == 0


@pytest.mark.parametrize(("said", "tuned"), [("auto", False), ("untouched", False), ("tuned", True)])
def test_thresholds_of_ones_own_are_left_to_a_command_unless_it_is_told(said: str, tuned: bool) -> None:
    gc.set_threshold(900, 5, 5)
    tune_collection(Settings.model_validate({"garbage_collection": said}), of_command=True)
    assert is_tuned() is tuned
    assert gc.get_threshold() == (THRESHOLDS if tuned else (900, 5, 5))


@pytest.mark.slow
def test_in_a_server(stead: Stead) -> None:
    add(stead, AT_EXIT)
    process = stead.start("serve", stead.reference, "--port", "0")
    eventually(lambda: "HTTP API at" in stead.log)
    process.terminate()
    assert process.wait(DEADLINE_S) == 0
    assert (stead.folder / "collector.txt").read_text() == f"{THRESHOLDS} True"


@pytest.mark.anyio
@pytest.mark.parametrize(("said", "tuned"), [("auto", False), ("untouched", False), ("tuned", True)])
async def test_a_worker_in_a_program_of_ones_own(said: str, tuned: bool) -> None:
    app = App("own", settings=Settings.model_validate({"garbage_collection": said}))
    async with app.worker("memory://"):
        assert is_tuned() is tuned


@pytest.mark.anyio
async def test_a_client_touches_nothing() -> None:
    app = App("own", settings=Settings(garbage_collection="tuned"))
    async with app.connect("memory://"):
        assert not is_tuned()


def test_what_is_frozen_has_no_garbage_in_it() -> None:
    class Circle:
        def __init__(self) -> None:
            self.itself = self

    gc.disable()
    try:
        Circle()
        tune_collection(Settings(garbage_collection="tuned"), of_command=False)
        gc.unfreeze()
        assert not any(type(found) is Circle for found in gc.get_objects())
    finally:
        gc.enable()
