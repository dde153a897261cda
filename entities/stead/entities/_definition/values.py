"""Values that travel: how those of an annotation are checked, made into plain data, and shown to come back as they were.

Most annotations are shown once, when they are defined, to give back whatever they have accepted. For the others (models,
validators, `Any`) each value is tried where it is given: it is packed, read back and packed again, and refused if it would
arrive as another one. So it is the sender's error, or the operation's whose result it is, and never a surprise elsewhere.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Never, NoReturn, cast

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from stead.entities._message.errors import InvalidDefinition
from stead.transport import InvalidInput, pack_exact, unpack

from .sameness import Difference, difference, not_plain_data, shown
from .schema import describe_errors, plain_exactness, unstorable
from .schema_exact import told_by_equality

_EXACT = (int, float, str, bool, bytes)  # types whose values need no validation when their type is exactly this
_ANYTHING = (Any, object, inspect.Parameter.empty)


class _Unlike:
    """The type of nothing: stands for "no exact type" in a comparison."""


NO_TYPE: type = _Unlike


class NotKept(ValueError):
    """A value would arrive as another one."""


@dataclass(frozen=True, slots=True)
class Value:
    """How values of an annotation are checked, and made into plain data and back."""

    kind: type  # values of exactly this type need no check
    check: Callable[[Any], Any]  # raises `ValidationError`
    dump: Callable[[Any], Any] | None  # None: they are plain data already. Raises what `dumped` knows


def value_of(annotation: Any, what: str, *, exact: bool = False) -> Value:
    """How to handle values of an annotation. Raises `InvalidDefinition` if they cannot be sent.

    `exact`: what its annotation does not tell apart from plain data, such as a model in an `Any`, is refused; else it
    arrives as plain data.
    """
    if any(annotation is anything for anything in _ANYTHING):
        return Value(NO_TYPE, lambda value: value, _plain_data if exact else None)
    if annotation is None or annotation in (Never, NoReturn):  # what only raises, or only goes on as new, gives None
        annotation = type(None)
    if annotation in _EXACT:
        return Value(annotation, TypeAdapter(annotation).validator.validate_python, None)
    reason = unstorable(annotation)
    if reason is not None:
        raise InvalidDefinition(what, reason)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        validate = adapter.validator.validate_python
    except (PydanticUserError, TypeError) as error:
        raise InvalidDefinition(what, f"its type {annotation!r} cannot be checked: {error}") from error
    # By either name: plain data from a sender without the class has aliases, what is dumped here has field names.
    check = functools.partial(validate, by_alias=True, by_name=True)
    is_exact = plain_exactness(cast("Any", adapter.core_schema))
    if is_exact is None:
        return Value(NO_TYPE, check, _Trial(adapter, check, exact))
    return Value(NO_TYPE, check, None if is_exact is True else functools.partial(_exact, is_exact, adapter, check))


def encoded(value: object, how: Value, what: str) -> Any:
    """Plain data of a value, once it is of the annotated type. Raises `InvalidInput` if it is not, or is not kept."""
    if type(value) is how.kind:
        return value
    try:
        checked = how.check(value)
    except ValidationError as error:
        raise InvalidInput(what, describe_errors(error)) from error
    return dumped(checked, how, what)


def dumped(value: object, how: Value | None, what: str) -> Any:
    """A value as plain data. Raises `InvalidInput` if it is not what its annotation says, or would not arrive as it is."""
    if how is None or how.dump is None:
        return value
    try:
        return how.dump(value)
    except PydanticSerializationError as error:
        raise InvalidInput(what, f"it is not what its annotation says: {error}") from error
    except (NotKept, InvalidInput) as error:
        reason = error.reason if isinstance(error, InvalidInput) else str(error)
        raise InvalidInput(what, reason) from error


def check_models(given: object, what: str) -> None:
    """Refuse models and dataclasses, in a value that arrives as plain data, which their own class could not read back.

    Raises `InvalidInput`.
    """
    kind, value = type(given), cast("Any", given)
    if kind in _EXACT or value is None:
        return
    if kind is dict:
        for item in value.values():
            check_models(item, what)
    elif kind in (list, tuple):
        for item in value:
            check_models(item, what)
    elif isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        _check_record(value, f"{what}, {kind.__name__}")


def _check_record(value: object, what: str) -> None:
    try:
        how = _value_of_class(cast("Any", type(value)))
        loaded = how.check(unpack(pack_exact(value)))
        found = difference(value, loaded) or difference(loaded, how.check(unpack(pack_exact(loaded))))
    except ValidationError as error:
        raise InvalidInput(what, f"it could not be read by its own class: {describe_errors(error)}") from error
    except (InvalidDefinition, InvalidInput) as error:
        raise InvalidInput(what, error.reason) from error
    if found is not None:
        raise InvalidInput(
            what,
            f"{found}, by its own class: a name may be another field's alias, or a validator may not leave alone what it "
            "made itself",
        )


@functools.lru_cache(maxsize=1024)
def _value_of_class(cls: Any) -> Value:
    return value_of(cls, cls.__name__)


def _plain_data(value: Any) -> Any:
    if type(value) in _EXACT or value is None:
        return value
    found = not_plain_data(value)
    if found is not None:
        raise NotKept(
            f"{shown(found.value)} of type {type(found.value).__name__} would arrive as plain data, since no annotation "
            "says what it is: annotate it, or give plain data"
        )
    return value


def _exact(is_exact: Callable[[Any], bool], adapter: TypeAdapter[Any], check: Callable[[Any], Any], value: Any) -> Any:
    """What a plain annotation has accepted, but for such as a time in a zone of another library's making."""
    if not is_exact(value):
        _refuse(difference(value, check(unpack(pack_exact(value)))))
    return value


class _Trial:
    """Makes values into plain data, and shows of each that it comes back as it was."""

    __slots__ = ("_by_equality", "_check", "_dumps", "_exact")

    def __init__(self, adapter: TypeAdapter[Any], check: Callable[[Any], Any], exact: bool) -> None:
        dump = functools.partial(
            adapter.serializer.to_python, warnings="error", exclude_computed_fields=True, round_trip=True
        )
        # By aliases only where names do not come back: where a field's alias is another field's name.
        self._dumps = [functools.partial(dump, by_alias=by_alias) for by_alias in (False, True)]
        self._check = check
        self._exact = exact
        # Of most models equality tells, and takes a tenth of the time of a look at every part.
        self._by_equality = not exact and told_by_equality(cast("Any", adapter.core_schema))

    def __call__(self, value: Any) -> Any:
        first: Exception | None = None
        for dump in self._dumps:
            try:
                return self._tried(dump, value)
            except (NotKept, InvalidInput, PydanticSerializationError) as error:
                first = first or error
        assert first is not None, "there is a way to dump"
        raise first

    def _tried(self, dump: Callable[[Any], Any], value: Any) -> Any:
        try:
            plain = dump(value)
        except (TypeError, ValueError) as error:
            if isinstance(error, PydanticSerializationError):
                raise
            raise NotKept(f"it cannot be stored: {error}") from error
        packed = pack_exact(plain)
        loaded = self._read_back(packed)
        if not (self._by_equality and type(value) is type(loaded) and value == loaded):
            _refuse(difference(value, loaded, exact=True, but_plain=not self._exact))
        again = dump(loaded)
        if pack_exact(again) == packed:
            return plain
        # It is written in another way than before, as 1.0 for 1: if it is the same, and stays so.
        _refuse(difference(value, loaded))
        settled = self._read_back(pack_exact(again))
        _refuse(difference(loaded, settled))
        return again

    def _read_back(self, packed: bytes) -> Any:
        try:
            return self._check(unpack(packed))
        except ValidationError as error:
            raise NotKept(f"it could not be read where it arrives: {describe_errors(error)}") from error


def _refuse(found: Difference | None) -> None:
    if found is not None:
        where = f"at {found.where!r}: " if found.where else ""
        raise NotKept(
            f"{where}{shown(found.value)} would arrive as {shown(found.becomes)}; use a type that tells them apart, and "
            "validators that leave alone what they made themselves"
        )
