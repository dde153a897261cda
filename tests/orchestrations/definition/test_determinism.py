"""What an orchestrator's code may not use is found at its definition, and what it may use is not taken for it."""

# pyright: reportDeprecated=false
# ruff: noqa: A001, PLW0108, PTH110, PTH118, PTH123, PTH208  # orchestrators that do what they should not

from __future__ import annotations

import asyncio
import datetime as dates
import functools
import os
import pathlib
import random
import secrets
import socket
import subprocess
import threading
import time
import types
import urllib.request
import uuid
import warnings
from collections.abc import Callable
from datetime import datetime as dt
from os import environ
from random import choice as pick
from typing import Any

import pytest

from stead.app import App, Settings
from stead.orchestrations import (
    NonDeterminismWarning,
    NotDeterministic,
    OrchestrationContext,
)
from stead.orchestrations._definition.determinism import find_nondeterminism

seeded = random.Random(7)
counter = 0
cache: dict[str, int] = {}


def found_in(function: Callable[..., Any]) -> list[str]:
    return [f"{finding.what}; {finding.instead}" for finding in find_nondeterminism(function)]


# -- what is found -----------------------------------------------------------------------------------------------------


async def clocks(context: OrchestrationContext) -> list[Any]:
    return [time.time(), dt.now(), dates.datetime.utcnow(), dates.date.today(), time.monotonic()]


async def randomness(context: OrchestrationContext) -> list[Any]:
    return [random.random(), pick([1]), random.Random(), secrets.token_hex(), os.urandom(2)]


async def identifiers(context: OrchestrationContext) -> list[Any]:
    return [uuid.uuid4(), uuid.uuid1()]


async def environment(context: OrchestrationContext) -> list[Any]:
    return [os.environ["A"], os.getenv("A"), environ.get("A"), pathlib.Path.cwd()]


async def files(context: OrchestrationContext) -> list[Any]:
    with open("x") as file:
        return [file, input(), pathlib.Path("x").read_text(), os.path.exists("x"), os.listdir()]


async def network(context: OrchestrationContext) -> list[Any]:
    return [socket.gethostname(), urllib.request.urlopen("http://x")]


async def machinery(context: OrchestrationContext) -> None:
    time.sleep(1)
    subprocess.run([])
    threading.Thread()
    await asyncio.to_thread(len, "")
    await asyncio.create_subprocess_exec("x")
    asyncio.run(asyncio.sleep(1))


async def writes(context: OrchestrationContext) -> None:
    global counter
    counter += 1


async def imports_it_itself(context: OrchestrationContext) -> float:
    from time import time as moment

    return moment()


async def hides_it_in_parts(context: OrchestrationContext) -> list[float]:
    async def inner() -> float:
        return time.time()

    later: Callable[[], float] = lambda: time.time()  # noqa: E731
    return [await inner(), later(), *[time.time() for _ in range(1)]]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (clocks, ["time.time()", "datetime.now()", "datetime.utcnow()", "date.today()", "time.monotonic()"]),
        (randomness, ["random.random()", "random.choice()", "random.Random()", "secrets.token_hex()", "os.urandom()"]),
        (identifiers, ["uuid.uuid4()", "uuid.uuid1()"]),
        (environment, ["os.environ", "os.getenv()", "os.environ", "Path.cwd()"]),
        (files, ["open()", "input()", "Path.read_text()", "os.path.exists()", "os.listdir()"]),
        (network, ["socket.gethostname()", "urllib.request.urlopen()"]),
        (
            machinery,
            [
                *("time.sleep()", "subprocess.run()", "threading.Thread()", "asyncio.to_thread()", "asyncio.run()"),
                "asyncio.create_subprocess_exec()",
            ],
        ),
        (writes, ["'counter'"]),
        (imports_it_itself, ["time.time()"]),
        (hides_it_in_parts, ["time.time()"]),
    ],
)
def test_what_cannot_be_replayed_is_found(function: Callable[..., Any], expected: list[str]) -> None:
    found = {text.split(" ")[0] for text in found_in(function)}
    assert found == set(expected)


@pytest.mark.parametrize(
    ("function", "advice"),
    [
        (clocks, "use context.now"),
        (randomness, "use context.random"),
        (identifiers, "use context.new_uuid()"),
        (environment, "give it as the input, or do it in an activity (context.call_activity)"),
        (files, "do it in an activity (context.call_activity)"),
        (network, "use context.call_http, or do it in an activity (context.call_activity)"),
    ],
)
def test_it_is_said_what_to_use_instead(function: Callable[..., Any], advice: str) -> None:
    assert {text.split("; ")[1] for text in found_in(function)} == {advice}


def test_every_place_is_named() -> None:
    findings = find_nondeterminism(hides_it_in_parts)
    first = hides_it_in_parts.__code__.co_firstlineno
    assert [(finding.file, finding.line - first) for finding in findings] == [
        (__file__, 2),
        (__file__, 4),
        (__file__, 5),
    ]


# -- what it calls -----------------------------------------------------------------------------------------------------


def helper() -> float:
    return deeper(1)


def deeper(depth: int) -> float:
    return helper() if depth else time.time()


async def calls_helpers(context: OrchestrationContext) -> float:
    return helper()


def test_functions_of_the_module_are_followed() -> None:
    (finding,) = find_nondeterminism(calls_helpers)
    assert finding.line == deeper.__code__.co_firstlineno + 1
    assert finding.what == "time.time() reads the clock, in 'deeper', which it calls"


def test_functions_around_it_are_followed() -> None:
    def moment() -> float:
        return time.time()

    async def orchestrator(context: OrchestrationContext) -> float:
        return moment()

    assert len(find_nondeterminism(orchestrator)) == 1


def test_functions_further_down_are_followed() -> None:
    names: dict[str, Any] = {"time": time, "__name__": __name__}

    async def orchestrator(context: OrchestrationContext) -> float:
        return further_down()

    early = types.FunctionType(orchestrator.__code__, names)
    assert [finding.line for finding in find_nondeterminism(early)] == [further_down.__code__.co_firstlineno + 1]


def further_down() -> float:
    return time.time()


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@wrapped
def decorated_helper() -> float:
    return time.time()


async def calls_a_decorated_helper(context: OrchestrationContext) -> Any:
    return decorated_helper()


def test_behind_decorators_as_well() -> None:
    assert len(find_nondeterminism(calls_a_decorated_helper)) == 1
    assert len(find_nondeterminism(wrapped(clocks))) == len(find_nondeterminism(clocks))


@App("one").activity
async def fetch() -> float:
    return time.time()


async def calls_an_activity_as_a_function(context: OrchestrationContext) -> Any:
    return await fetch()


def test_an_activity_called_as_a_function_is_found() -> None:
    (text,) = found_in(calls_an_activity_as_a_function)
    assert text == "activity 'fetch' is called as a function; use context.call_activity, which keeps its result"


# -- what is not found -------------------------------------------------------------------------------------------------


class Sensor:
    def time(self) -> float:
        return 1.0

    def now(self) -> float:
        return 2.0


sensor = Sensor()


async def has_variables_of_such_names(context: OrchestrationContext, time: Any) -> list[Any]:
    random = context.random
    uuid = Sensor()
    open = sensor.time
    return [time.time(), random.random(), uuid.now(), open(), [time.time() for time in (sensor,)]]


async def uses_what_is_allowed(context: OrchestrationContext) -> list[Any]:
    print("hello")
    await asyncio.sleep(5)
    async with asyncio.timeout(5):
        await context.create_timer(context.now + dates.timedelta(hours=1))
    looked_up = cache.get("x")
    deadline: dt = dt.fromtimestamp(5, dates.UTC)
    path = pathlib.PurePath("a") / os.path.join("a", "b")
    return [
        looked_up,
        seeded.random(),
        random.Random(5),
        sensor.now(),
        deadline,
        path,
        uuid.uuid5(uuid.NAMESPACE_DNS, "a"),
    ]


async def does_it_only_when_nothing_is_replayed(context: OrchestrationContext) -> None:
    if not context.is_replaying:
        print(time.time())
    if counter and not context.is_replaying:
        print(time.time())
    if context.is_replaying:
        pass
    else:
        print(time.time())


async def passes_functions_on(context: OrchestrationContext) -> list[Any]:
    return [time.time, dt.now, sorted([1], key=lambda value: -value)]


async def has_annotations_and_defaults(
    context: OrchestrationContext, since: float = time.time(), kind: type[dt] = dt
) -> dt | None:
    at: dt | None = None
    return at


async def defines_an_activity(context: OrchestrationContext) -> None:
    app = App("inner")

    @app.activity
    async def look() -> float:
        return time.time()

    await context.call_activity(look)


async def reads_a_global(context: OrchestrationContext) -> int:
    return counter


@pytest.mark.parametrize(
    "function",
    [
        has_variables_of_such_names,
        uses_what_is_allowed,
        does_it_only_when_nothing_is_replayed,
        passes_functions_on,
        has_annotations_and_defaults,
        defines_an_activity,
        reads_a_global,
    ],
)
def test_there_are_no_false_alarms(function: Callable[..., Any]) -> None:
    assert found_in(function) == []


def test_decorators_of_an_orchestrator_run_once() -> None:
    app = App("once", settings=Settings(determinism="error"))

    @app.orchestration(name="x" + str(int(time.time())))
    async def orchestrator(context: OrchestrationContext) -> None: ...

    assert len(app.orchestrations.orchestration_names()) == 1


def test_functions_without_source_are_let_be() -> None:
    names: dict[str, Any] = {"time": time}
    exec("async def orchestrator(context): return time.time()", names)
    assert find_nondeterminism(names["orchestrator"]) == []


# -- what comes of it --------------------------------------------------------------------------------------------------


def define(app: App) -> int:
    @app.orchestration
    async def approval(context: OrchestrationContext) -> float:
        return time.time()

    return approval.function.__code__.co_firstlineno


def test_a_warning_stands_at_the_place() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = define(App("warned", settings=Settings(determinism="warn")))
    (warning,) = caught
    assert (warning.category, warning.filename, warning.lineno) == (NonDeterminismWarning, __file__, line + 2)
    assert str(warning.message) == "orchestration 'approval': time.time() reads the clock; use context.now"


def test_it_may_be_an_error_and_then_nothing_is_registered() -> None:
    app = App("strict", settings=Settings(determinism="error"))
    with pytest.raises(NotDeterministic) as caught:
        define(app)
    assert caught.value.name == "approval"
    assert len(caught.value.findings) == 1
    assert f"{__file__}:" in str(caught.value)
    assert app.orchestrations.orchestration_names() == []


def test_it_may_be_off() -> None:
    define(App("careless", settings=Settings(determinism="off")))
