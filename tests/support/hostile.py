"""Errors and values that do anything when they are looked at: what is slipped into every place where stead looks at some."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn


class Answer(Exception):
    """A usual slip in wrappers of API answers: unknown attributes are looked up in the body."""

    def __init__(self) -> None:
        super().__init__("api")
        self.body: dict[str, object] = {"code": 1}

    def __getattr__(self, name: str) -> object:
        return self.__dict__["body"][name]


class AnswerEverything(Exception):
    """It has every attribute, and each is True."""

    def __getattr__(self, name: str) -> object:
        return True


class Refuses(Exception):
    """No attribute of it can be had."""

    def __getattribute__(self, name: str) -> object:
        raise KeyError(name)


def _no(*_: Any, **__: Any) -> NoReturn:
    raise LookupError("not to be looked at")


def _leave(*_: Any, **__: Any) -> NoReturn:
    raise SystemExit(3)


def _cancel(*_: Any, **__: Any) -> NoReturn:
    raise asyncio.CancelledError


def _recurse(self: Any) -> str:
    return _recurse(self)  # (with *_ Python 3.13.0 never notices, and takes all of the memory)


def _five(self: Any) -> Any:
    return 5


def _an_int(self: Any) -> type:
    return int


def _odd(self: Any) -> str:
    return Text("odd")


class Text(str):
    """A text that is none."""

    __slots__ = ()
    __getitem__ = encode = __len__ = __format__ = __add__ = __radd__ = __mod__ = _no
    __str__ = __repr__ = __bool__ = _no


class Odd(dict[str, Any]):
    """A dictionary of attributes that answers wrongly."""

    get = __getitem__ = __contains__ = __iter__ = items = keys = _no


class Liar(type):
    """A class of classes that knows nothing of itself."""

    def __getattribute__(cls, name: str) -> object:
        raise KeyError(name)


def with_members(**members: Any) -> Callable[[], BaseException]:
    """Makes errors of a class with these members."""

    def make() -> BaseException:
        kind: Any = type("Hostile", (Exception,), members)
        error: BaseException = kind("hostile")
        return error

    return make


def _raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - with a traceback now
        return caught


def _ring() -> BaseException:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def _long_chain() -> BaseException:
    error: BaseException = ValueError(0)
    for number in range(5_000):
        following = ValueError(number)
        following.__cause__ = error
        error = following
    return error


def _wide_group() -> BaseException:
    return BaseExceptionGroup("wide", [_raised(ValueError(number)) for number in range(4_096)])


def _tree(depth: int = 5, width: int = 6) -> BaseException:
    if not depth:
        return _raised(ValueError("leaf"))
    return BaseExceptionGroup("tree", [_tree(depth - 1, width) for _ in range(width)])


def _deep_group() -> BaseException:
    error: Any = ValueError("deep")
    for _ in range(2_000):
        error = BaseExceptionGroup("deep", [error])
    found: BaseException = error
    return found


def _with_dict() -> BaseException:
    error = ValueError("odd")
    error.__dict__ = Odd(code=1)
    return error


def _with_notes() -> BaseException:
    error = ValueError("noted")
    error.__notes__ = [with_members(__str__=_no)(), Text("x"), 5]  # type: ignore[list-item]
    return error


def _cause_without_truth() -> BaseException:
    error = ValueError("caused")
    error.__cause__ = with_members(__bool__=_no, __len__=_no, __str__=_no)()
    return error


def _of_liar() -> BaseException:
    kind: Any = Liar("OfLiar", (Exception,), {})
    error: BaseException = kind("liar")
    return error


def _of_odd_names() -> BaseException:
    kind: Any = type("Named", (Exception,), {"__module__": Text("odd"), "__qualname__": Text("Odd")})
    error: BaseException = kind("named")
    return error


ERRORS: dict[str, Callable[[], BaseException]] = {
    "a wrapper of an answer": Answer,
    "one with every attribute": AnswerEverything,
    "one without attributes": Refuses,
    "str raises": with_members(__str__=_no, __repr__=_no),
    "str leaves": with_members(__str__=_leave, __repr__=_leave),
    "str cancels": with_members(__str__=_cancel, __repr__=_cancel),
    "str recurses": with_members(__str__=_recurse, __repr__=_recurse),
    "str is no text": with_members(__str__=_five),
    "str is odd text": with_members(__str__=_odd),
    "an argument without text": lambda: ValueError(with_members(__str__=_no, __repr__=_no)()),
    "__class__ raises": with_members(__class__=property(_no)),
    "__class__ lies": with_members(__class__=property(_an_int)),
    "__notes__ raise": with_members(__notes__=property(_no)),
    "__notes__ are none": with_members(__notes__=5),
    "odd notes": _with_notes,
    "__cause__ raises": with_members(__cause__=property(_no), __context__=property(_no)),
    "__cause__ is none": with_members(__cause__=5, __context__=7, __suppress_context__="x"),
    "__traceback__ raises": with_members(__traceback__=property(_no)),
    "__dict__ raises": with_members(__dict__=property(_no)),
    "odd attributes": _with_dict,
    "not to be compared": with_members(__eq__=_no, __hash__=_no, __bool__=_no, __len__=_no),
    "a cause without truth": _cause_without_truth,
    "no module": with_members(__module__=5),
    "odd names": _of_odd_names,
    "a class that lies": _of_liar,
    "details of its own": with_members(details=property(_no), cause=property(_no), non_retriable=property(_no)),
    "exceptions of its own": lambda: type("G", (ExceptionGroup,), {"exceptions": property(_no)})("g", [ValueError(1)]),
    "half a pair": lambda: ValueError("\ud800 half"),
    "a huge message": lambda: ValueError("x" * 3_000_000),
    "a ring of causes": _ring,
    "a long chain": _long_chain,
    "a wide group": _wide_group,
    "a tree": _tree,
    "a deep group": _deep_group,
    "exit": lambda: SystemExit(3),
    "cancelled": asyncio.CancelledError,
    "generator exit": GeneratorExit,
    "a base error": lambda: BaseException("base"),
    "recursion": RecursionError,
    "memory": MemoryError,
    "stop": StopIteration,
    "stop of an asynchronous one": StopAsyncIteration,
}


class Loose:
    """A value of which nothing can be had."""

    def __getattribute__(self, name: str) -> object:
        raise KeyError(name)

    __str__ = __repr__ = __eq__ = __hash__ = __iter__ = __bool__ = __len__ = _no
