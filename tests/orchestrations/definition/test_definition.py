"""Definitions: names, what arguments and results become, options, and what is refused."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any, cast

import pytest
from pydantic import BaseModel

from stead.app import App
from stead.entities import InvalidDefinition, InvalidInput
from stead.orchestrations import (
    InstanceId,
    OrchestrationContext,
    RetryPolicy,
    make_activity,
    make_orchestration,
)
from stead.orchestrations._definition.input import OMITTED

app = App("definitions")
CONTEXT = cast("OrchestrationContext", None)  # none of these functions looks at it


class Expense(BaseModel):
    amount: float


@app.activity
async def charge(expense: Expense, times: int = 1, *, currency: str = "NOK") -> Expense:
    """Take the money."""
    return Expense(amount=expense.amount * times)


@app.activity
def square(number: int) -> int:
    return number * number


@app.orchestration
async def approval(context: OrchestrationContext, expense: Expense) -> Expense | None:
    """Ask for it."""
    return expense


@app.orchestration
async def greeting(context: OrchestrationContext, name: str = "you") -> str:
    return f"hello {name}"


@app.orchestration
async def optional(context: OrchestrationContext, number: int | None = 5) -> int | None:
    return number


@app.orchestration
async def nothing(context: OrchestrationContext) -> None: ...


@app.orchestration
async def anything(context: OrchestrationContext, value: Any) -> Any:
    return value


# -- activities --------------------------------------------------------------------------------------------------------


async def test_activities_stay_functions() -> None:
    assert await charge(Expense(amount=2), 3) == Expense(amount=6)
    assert square(3) == 9
    assert (charge.__name__, charge.__doc__) == ("charge", "Take the money.")
    assert (charge.name, charge.canonical, charge.is_async, square.is_async) == ("charge", "charge", True, False)


def test_arguments_become_plain_data_and_come_back() -> None:
    args, kwargs = charge.encode_arguments([Expense(amount=2)], {"currency": "EUR"})
    assert (args, kwargs) == ([{"amount": 2.0}], {"currency": "EUR"})
    call = charge.prepare(args, kwargs)
    assert (call.args, call.keywords) == ((Expense(amount=2),), {"currency": "EUR"})
    assert asyncio.run(call()) == Expense(amount=2)
    assert square.prepare([3], None)() == 9


@pytest.mark.parametrize(
    ("args", "kwargs", "named"),
    [
        (["x"], None, "'expense'"),
        ([], None, "'expense'"),
        ([Expense(amount=1), "x"], None, "'times'"),
        ([Expense(amount=1), 1, "EUR"], None, "charge"),
        ([Expense(amount=1)], {"money": "EUR"}, "'money'"),
    ],
)
def test_a_wrong_argument_is_named(args: list[object], kwargs: dict[str, object] | None, named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        charge.encode_arguments(args, kwargs)
    with pytest.raises(InvalidInput, match=named):
        charge.prepare(args, kwargs)


def test_results_become_plain_data_and_come_back() -> None:
    assert charge.encode_result(Expense(amount=1)) == {"amount": 1.0}
    assert charge.decode_result({"amount": 1.0}) == Expense(amount=1)
    for wrong in (None, "x"):
        with pytest.raises(InvalidInput, match="result of activity square"):
            square.encode_result(wrong)
        with pytest.raises(InvalidInput, match="result of activity square"):
            square.decode_result(wrong)


def test_options_make_a_copy() -> None:
    policy = RetryPolicy(max_attempts=3, first_interval=timedelta(seconds=1))
    patient = square.with_options(retry=policy, queue="fast", tags={"a": "b"})
    assert (patient.retry, patient.queue, patient.tags) == (policy, "fast", {"a": "b"})
    assert (square.retry, square.queue, square.tags) == (None, "", None)
    again = patient.with_options(queue="")
    assert (again.retry, again.queue, again.tags, again.name) == (policy, "", {"a": "b"}, "square")
    assert again(2) == 4


def test_an_activity_may_take_any_arguments() -> None:
    def many(first: int, *rest: int, **named: str) -> None: ...

    activity = make_activity(many)
    assert activity.encode_arguments([1, 2, 3], {"x": "y"}) == ([1, 2, 3], {"x": "y"})
    with pytest.raises(InvalidInput):
        activity.encode_arguments([1, "x"], None)


def test_a_parameter_may_be_called_self() -> None:
    def about(self: int) -> int:
        return self

    assert make_activity(about).prepare([5], None)() == 5


def test_what_decorators_leave_visible_counts() -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    async def slow(number: int) -> int:
        return number

    activity = make_activity(logged(slow))
    assert (activity.name, activity.is_async) == ("slow", True)
    with pytest.raises(InvalidInput, match="'number'"):
        activity.encode_arguments(["x"], None)


# -- orchestrations ----------------------------------------------------------------------------------------------------


async def test_orchestrations_stay_functions() -> None:
    assert await approval(CONTEXT, Expense(amount=1)) == Expense(amount=1)
    assert await greeting(CONTEXT) == "hello you"
    assert (approval.__name__, approval.__doc__) == ("approval", "Ask for it.")


def test_inputs_become_plain_data() -> None:
    assert approval.encode_input(Expense(amount=1)) == {"amount": 1.0}
    assert approval.encode_input({"amount": 1}) == {"amount": 1.0}
    assert approval.decode_input({"amount": 1.0}) == Expense(amount=1)
    assert anything.encode_input([1, "x", None]) == [1, "x", None]


@pytest.mark.parametrize("wrong", ["x", None, OMITTED])
def test_a_wrong_input_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidInput, match="argument 'expense' of orchestration approval"):
        approval.encode_input(wrong)


def test_an_input_may_be_left_out() -> None:
    assert greeting.encode_input() is None
    assert asyncio.run(greeting.start(CONTEXT, None)) == "hello you"
    assert asyncio.run(greeting.start(CONTEXT, "me")) == "hello me"
    assert nothing.encode_input() is nothing.encode_input(None) is None
    assert asyncio.run(nothing.start(CONTEXT, None)) is None
    assert anything.encode_input() is None
    # Where None is an input, it is not the default.
    assert (optional.encode_input(), optional.encode_input(None)) == (5, None)
    assert asyncio.run(optional.start(CONTEXT, None)) is None


def test_an_orchestration_without_input_takes_none() -> None:
    with pytest.raises(InvalidInput, match="it takes none, and got 5"):
        nothing.encode_input(5)


def test_a_default_is_not_shared() -> None:
    async def collects(context: OrchestrationContext, items: list[int] = []) -> list[int]:  # noqa: B006
        items.append(1)
        return items

    orchestration = make_orchestration(collects)
    for _ in range(2):
        assert asyncio.run(orchestration.start(CONTEXT, None)) == [1]


def test_an_input_that_does_not_fit_fails_when_the_code_runs() -> None:
    coroutine = approval.start(CONTEXT, {"amount": "much"})
    with pytest.raises(InvalidInput, match="amount"):
        asyncio.run(coroutine)


def test_outputs_become_plain_data_and_come_back() -> None:
    assert approval.encode_output(Expense(amount=1)) == {"amount": 1.0}
    assert approval.decode_output({"amount": 1.0}) == Expense(amount=1)
    assert approval.encode_output(None) is None
    for wrong in (5, None):
        with pytest.raises(InvalidInput, match="result of orchestration greeting"):
            greeting.encode_output(wrong)
    with pytest.raises(InvalidInput, match="result of orchestration nothing"):
        nothing.encode_output(5)


def test_options_of_an_orchestration_make_a_copy() -> None:
    policy = RetryPolicy(max_attempts=3)
    changed = approval.with_options(retry=policy, version="2.0", tags={"a": "b"}, instance_id="one")
    assert (changed.retry, changed.version, changed.tags, changed.instance_id) == (policy, "2.0", {"a": "b"}, "one")
    assert (approval.retry, approval.version, approval.tags, approval.instance_id) == (None, None, None, None)


def test_an_instance_id_is_a_text() -> None:
    instance_id: InstanceId[int] = InstanceId("one")
    assert instance_id == "one"
    assert hash(instance_id) == hash("one")
    assert f"{instance_id}!" == "one!"


def test_local_types_are_found() -> None:
    class Local(BaseModel):
        number: int

    async def job(context: OrchestrationContext, local: Local) -> Local:
        return local

    assert make_orchestration(job).encode_input(Local(number=1)) == {"number": 1}


# -- what is refused ---------------------------------------------------------------------------------------------------


def generator(context: OrchestrationContext) -> Iterator[int]:
    yield 1


async def async_generator(context: OrchestrationContext) -> AsyncIterator[int]:
    yield 1


def plain(context: OrchestrationContext) -> None: ...


async def two_inputs(context: OrchestrationContext, one: int, two: int) -> None: ...


async def no_context() -> None: ...


async def rest(context: OrchestrationContext, *values: int) -> None: ...


async def named_rest(context: OrchestrationContext, **values: int) -> None: ...


async def only_named(context: OrchestrationContext, *, value: int = 1) -> None: ...


async def unsendable(context: OrchestrationContext, value: Callable[[], int]) -> None: ...


async def unknown_type(context: OrchestrationContext, value: int) -> None: ...


unknown_type.__annotations__["value"] = "NoSuchType"


async def takes_a_function(function: Callable[[], int]) -> None: ...


nameless: Any = eval("lambda context: None")


class Holder:
    async def method(self, context: OrchestrationContext) -> None: ...


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (generator, "generator"),
        (async_generator, "generator"),
        (plain, "async def"),
        (two_inputs, "one input, and not 'one', 'two'"),
        (no_context, "takes the context first"),
        (rest, "values"),
        (named_rest, "values"),
        (only_named, "keyword-only"),
        (unsendable, "cannot be stored"),
        (unknown_type, "NoSuchType"),
        (Holder.method, "outside of classes"),
        (Holder().method, "outside of classes"),
        (staticmethod(plain), "outside of classes"),
        (nameless, "lambda"),
        (functools.partial(plain), "above a function"),
        (Holder, "above a function"),
        (len, "above a function"),
        (approval, "decorated already"),
        (charge, "decorated already"),
    ],
)
def test_what_cannot_be_an_orchestration_is_refused(function: Any, reason: str) -> None:
    with pytest.raises(InvalidDefinition, match=reason):
        App("refused").orchestration(function)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (generator, "generator"),
        (async_generator, "generator"),
        (takes_a_function, "cannot be stored"),
        (unknown_type, "NoSuchType"),
        (Holder.method, "outside of classes"),
        (lambda: None, "lambda"),
        (Holder, "above a function"),
        (approval, "decorated already"),
        (charge, "decorated already"),
    ],
)
def test_what_cannot_be_an_activity_is_refused(function: Any, reason: str) -> None:
    with pytest.raises(InvalidDefinition, match=reason):
        App("refused").activity(function)


@pytest.mark.parametrize("name", ["", "1st", "a b", "é", "x" * 101, "a@b"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="activity name"):
        App("refused").activity(name=name)(plain)
    with pytest.raises(InvalidInput, match="orchestration name"):
        App("refused").orchestration(name=name)(no_text)


async def no_text(context: OrchestrationContext) -> None: ...


def test_names_may_have_dots() -> None:
    assert make_activity(charge.function, "bank.charge-it_2").canonical == "bank.charge-it_2"


@pytest.mark.parametrize(
    "tags", [{"": "x"}, {"x" * 257: "x"}, {"x": "x" * 257}, {"x": 5}, {str(n): "" for n in range(65)}]
)
def test_bad_tags_are_refused(tags: Any) -> None:
    with pytest.raises(InvalidInput, match="tag"):
        charge.with_options(tags=tags)
    with pytest.raises(InvalidInput, match="tag"):
        approval.with_options(tags=tags)


def test_other_bad_options_are_refused() -> None:
    with pytest.raises(InvalidInput, match="version"):
        approval.with_options(version="two words")
    with pytest.raises(InvalidInput):
        approval.with_options(instance_id="@station@oslo")
    with pytest.raises(InvalidInput, match="queue"):
        charge.with_options(queue="a\nb")
    wrong: Any = 3
    for kind in (charge, approval):
        with pytest.raises(InvalidInput, match=r"^retry=3: it is a RetryPolicy"):
            kind.with_options(retry=wrong)
    with pytest.raises(InvalidInput, match="RetryPolicy"):
        make_activity(charge.function, retry=wrong)
