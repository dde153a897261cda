"""What `@app.orchestration` makes of a function: `Orchestration[I, O]`.

It has one input, because the calls that start one have options of their own. `InputOptional` is one whose input may be left
out: the function has none, or a default for it. The input is checked twice: where it is given, so that a mistake is the
caller's error, and where it arrives, because the sender may be older than the code here.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    get_args,
    overload,
)

from stead.entities import InvalidDefinition
from stead.entities.extending import (
    ClientText,
    check_instance_id,
    check_tags,
    described_arguments,
    encoded,
    signature_of,
    takes_anything,
    value_of,
)
from stead.transport import InvalidInput

from .input import OMITTED, TakesNoInput
from .questions import OrchestrationQuery, OrchestrationUpdate, Question
from .retry import check_retry
from .signature import Decorated, accepts_none, awaited_type, check_function, decoded, hints_of, is_async, name_of
from .versions import check_version

if TYPE_CHECKING:
    from .retry import RetryPolicy

I = TypeVar("I")  # noqa: E741 - it is the input
O_co = TypeVar("O_co", covariant=True)
P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


ParentClose: TypeAlias = Literal["terminate", "cancel", "abandon"]
"""What becomes of a sub-orchestration whose parent ends first, or does not wait for it any more."""


class AnyContext(Protocol):
    """What the function is given first: an `OrchestrationContext`, of which a definition knows nothing else, or what a test
    has in its place."""

    @property
    def instance_id(self) -> str: ...

    @property
    def is_replaying(self) -> bool: ...


class Orchestration(Decorated, Generic[I, O_co]):
    """A workflow written as an `async def`: each step's result is kept, and its code is replayed to its last state.

    `@app.orchestration` makes one. Called itself, it is the function.
    """

    def __init__(
        self,
        function: Callable[..., Coroutine[Any, Any, O_co]],
        name: str | None = None,
        *,
        version: str | None = None,
        retry: RetryPolicy | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Raises `InvalidDefinition` for a function that cannot be one, `InvalidInput` for a bad name or option."""
        found = check_function("orchestration", function)
        self.name, self.canonical = name_of("orchestration", found, name)
        self.version = check_version(version)
        self.function = function
        self.retry = check_retry(retry)
        self.tags: Mapping[str, str] | None = check_tags(tags)
        self.instance_id: str | None = None
        self.parent_close: ParentClose | None = None
        self.queries: dict[str, OrchestrationQuery[..., Any]] = {}
        self.updates: dict[str, OrchestrationUpdate[Any, ..., Any]] = {}
        self.check_update: Callable[[str, Callable[..., Any]], None] | None = None  # its code, which is replayed too
        what = f"orchestration {self.name}"
        context, self._parameter = _parameters_of(found, what)
        hints = self._hints = hints_of(found, what, skip=context)
        result = hints.get("return", Any)
        if not is_async(found, result):
            raise InvalidDefinition(what, "it waits for what it calls: write it as `async def`")
        parameter = self._parameter
        self._input_name = f"the input of {what}" if parameter is None else f"argument {parameter.name!r} of {what}"
        self._input = value_of(Any if parameter is None else hints.get(parameter.name, Any), self._input_name)
        self._none_is_input = parameter is not None and accepts_none(self._input)
        self._output_name = f"the result of {what}"
        self._output = value_of(awaited_type(result), self._output_name)
        functools.update_wrapper(cast("Any", self), found, updated=())

    def __repr__(self) -> str:
        return f"<orchestration {self.name}{'' if self.version is None else f' {self.version}'}>"

    def __call__(self, context: AnyContext, /, *input: I) -> Coroutine[Any, Any, O_co]:
        return self.function(context, *input)

    def with_options(
        self,
        *,
        retry: RetryPolicy | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        instance_id: str | None = None,
        parent_close: ParentClose | None = None,
    ) -> Self:
        """The same orchestration, started with other options: what is given replaces what the decorator said.

        `retry`: when it is tried again as a sub-orchestration; `version`: of the instance; `tags`: text by text, seen in
        the instance's status; `instance_id`: of the sub-orchestration; `parent_close`: what becomes of the
        sub-orchestration if its parent ends before it, or cancels the call: "terminate" it, "cancel" it (it may undo what it
        has done), or "abandon" it, whatever happens to the parent. Without it a parent that is terminated or canceled takes
        it along, and it is left otherwise. Raises `InvalidInput`.
        """
        changed = copy.copy(self)
        changed.retry = self.retry if retry is None else check_retry(retry)
        changed.version = self.version if version is None else check_version(version)
        changed.tags = self.tags if tags is None else check_tags(tags)
        changed.instance_id = self.instance_id if instance_id is None else check_instance_id(instance_id)
        changed.parent_close = self.parent_close if parent_close is None else _check_parent_close(parent_close)
        return changed

    def query(self, function: Callable[Concatenate[Any, P], R], /) -> OrchestrationQuery[P, R]:
        """Put above a `def` of what the code shares (`context.share`) and arguments of its own: clients may ask it
        (`client.ask`). It changes nothing. Raises `InvalidDefinition`."""
        return _added(self.queries, OrchestrationQuery[P, R](function, self.name))

    @overload
    def update(  # pyright: ignore[reportOverlappingOverload]  # first match counts
        self, function: Callable[Concatenate[Any, S, P], Coroutine[Any, Any, R]], /
    ) -> OrchestrationUpdate[S, P, R]: ...

    @overload
    def update(self, function: Callable[Concatenate[Any, S, P], R], /) -> OrchestrationUpdate[S, P, R]: ...

    def update(self, function: Callable[Concatenate[Any, S, P], Any], /) -> OrchestrationUpdate[S, P, Any]:
        """Put above an `async def` (or a `def`) of the context, what the code shares, and arguments of its own: clients may tell
        it that (`client.update`), and get its result. It is a part of the orchestration, and is replayed with it. Raises
        `InvalidDefinition`, and `NotDeterministic`."""
        update = OrchestrationUpdate[S, P, Any](function, self.name)
        if self.check_update is not None:
            self.check_update(f"{self.name}.{update.name}", function)
        return _added(self.updates, update)

    def described_input(self) -> list[dict[str, Any]]:
        """What its input looks like as JSON, for forms; an empty list if it takes none."""
        return described_arguments(self.function, self._hints) or []

    def encode_input(self, value: object = OMITTED) -> Any:
        """An input, checked and as plain data. Raises `InvalidInput` if it is not of the annotated type.

        None stands for an input that was left out, unless the type has it: the function's default is taken when the
        instance starts. Without a default it is refused.
        """
        parameter = self._parameter
        if isinstance(value, ClientText):
            return self._encode_text(value)
        if value is OMITTED:
            value = None
            if parameter is not None and self._none_is_input and parameter.default is not inspect.Parameter.empty:
                value = parameter.default
        if parameter is None:
            if value is not None:
                raise TakesNoInput(self._input_name, f"it takes none, and got {_shown(value)}")
            return None
        if value is None and not self._none_is_input:
            self._default()
            return None
        return encoded(value, self._input, self._input_name)

    def _encode_text(self, text: ClientText) -> Any:
        """The input that a client's text means: of the type, if it is of one."""
        untyped = self._parameter is not None and takes_anything(self._input)
        return text.read(None) if untyped else text.read(self.encode_input)

    def decode_input(self, value: object) -> Any:
        """An input of plain data as the function gets it. Raises `InvalidInput` if it does not fit."""
        if self._parameter is None:
            return None
        if value is None and not self._none_is_input:
            return self._default()
        return decoded(value, self._input, self._input_name)

    def start(self, context: AnyContext, input: object) -> Coroutine[Any, Any, object]:
        """The function's coroutine for an input of plain data. One that does not fit fails when the coroutine is run."""
        if self._parameter is None:
            return self.function(context)
        try:
            value = self.decode_input(input)
        except InvalidInput as error:
            return _fail(error)
        return self.function(context, value)

    def encode_output(self, value: object) -> Any:
        """An output as plain data. Raises `InvalidInput` if it is not what the annotation says."""
        return encoded(value, self._output, self._output_name)

    def decode_output(self, value: object) -> Any:
        """An output of plain data, of the annotated type. Raises `InvalidInput` if it does not fit."""
        return decoded(value, self._output, self._output_name)

    def _default(self) -> Any:
        assert self._parameter is not None, "there is an input"
        if self._parameter.default is inspect.Parameter.empty:
            raise InvalidInput(self._input_name, "it is missing")
        return copy.deepcopy(self._parameter.default)  # one instance does not see what another one does to it


class InputOptional(Orchestration[I, O_co]):
    """An orchestration whose input may be left out."""


def make_orchestration(
    function: Callable[..., Any],
    name: str | None = None,
    *,
    version: str | None = None,
    retry: RetryPolicy | None = None,
    tags: Mapping[str, str] | None = None,
) -> Orchestration[Any, Any]:
    """The orchestration that a function is. Raises like `Orchestration`."""
    return InputOptional[Any, Any](function, name, version=version, retry=retry, tags=tags)


Q = TypeVar("Q", bound=Question[..., Any])


def _added(known: dict[str, Any], question: Q) -> Q:
    other = known.setdefault(question.canonical, question)
    if other is not question:
        raise InvalidDefinition(
            f"{question!r}", f"{other.name!r} is there already, and case does not count: rename one"
        )
    return question


def _check_parent_close(how: ParentClose) -> ParentClose:
    if how not in get_args(ParentClose):
        raise InvalidInput(f"parent_close={how!r}", 'write "terminate", "cancel" or "abandon"')
    return how


def _parameters_of(function: Callable[..., Any], what: str) -> tuple[str, inspect.Parameter | None]:
    """The name of the context's parameter, and the input's parameter. Raises `InvalidDefinition`."""
    parameters = list(signature_of(function).parameters.values())
    for parameter in parameters:
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise InvalidDefinition(what, f"*{parameter.name} cannot be: it takes the context and one input")
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            raise InvalidDefinition(what, f"{parameter.name!r} cannot be keyword-only: the input is given by position")
    if not parameters:
        raise InvalidDefinition(what, "it takes the context first: `context: OrchestrationContext`")
    if len(parameters) > 2:
        extra = ", ".join(repr(parameter.name) for parameter in parameters[1:])
        raise InvalidDefinition(what, f"it has one input, and not {extra}: make them fields of one class")
    return parameters[0].name, parameters[1] if len(parameters) == 2 else None


async def _fail(error: InvalidInput) -> object:
    raise error


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
