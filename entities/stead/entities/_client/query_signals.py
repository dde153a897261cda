"""Signals to all that a query finds: `query.signal(…)` and `query.signal_once(…)`.

1. The keys are read to their end before the first signal: signals move entities within the very index that is read (HAZARDS 84).
2. Signals go out some at a time. What is counted as sent is in the store.
3. `signal_once` keeps the keys in the hub, under its name, with an ID drawn at random: by that its signals are a source of their own, whose numbers are
   places in the list. So a list that is made anew under the same name, a day later, is another source.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from secrets import token_hex
from typing import Any, TypeAlias, cast

from stead.entities._definition.class_rules import OperationMark
from stead.entities._message.errors import PartlySent
from stead.entities._message.ids import EntityId
from stead.entities._message.record import stored_of
from stead.transport import InvalidInput, SteadError, Tries, pack, unpack, until_answered
from stead.transport.describing import text_of_error

from .producer import Producer, SourceProducer, check_source
from .query_hub import QueryHub
from .query_subject import QuerySubject

SignalProgress: TypeAlias = Callable[[int, int], object]
"""Is called with how many have their signals for certain, and how many there are."""

_CHUNK_LENGTH = 500  # signals that are sent before it is known that they are in the store
_KEEP_KEYS_MS = 86_400_000
_ID_BYTES = 8

_Keys: TypeAlias = Callable[[], Awaitable[Sequence[str]]]


def _operation(subject: QuerySubject, operation: object, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """The name of an operation of what is queried. One that a base class defines is that of the queried class.

    Raises `InvalidInput` for another one, and for arguments that it does not take: before anything is read.
    """
    if subject.entity_type is None:
        if not isinstance(operation, str):
            raise InvalidInput(f"operation {operation!r}", "the query is by name: give the operation's name")
        return operation
    mark = getattr(operation, "__stead_operation__", None)
    if mark is None or hasattr(operation, "__self__"):
        raise InvalidInput(
            f"operation {operation!r}", f"give an operation of {subject.name}, such as {subject.name}.delete"
        )
    owner, name = cast("OperationMark", mark)
    cls = subject.entity_type.entity_class
    if cls is None or owner not in cls.__mro__:
        raise InvalidInput(
            f"operation {owner.__name__}.{name}", f"the query is over {subject.name}: give an operation of that class"
        )
    found = subject.entity_type.operation(name)
    found.bind(args, kwargs)
    return found.name


async def signal_each(
    hub: QueryHub,
    subject: QuerySubject,
    keys: _Keys,
    progress: SignalProgress | None,
    operation: object,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> int:
    """Signal entities of a kind; gives how many. Raises `PartlySent`."""
    name = _operation(subject, operation, args, kwargs)
    found = await keys()
    async with hub.producer(None) as opened:
        producer = cast("Producer", opened)

        async def send(_: int, key: str) -> None:
            await producer.signal(EntityId(subject.name, key), name, *args, **kwargs)

        return await _send_all(found, send, producer.flush, progress)


async def signal_each_once(
    hub: QueryHub,
    subject: QuerySubject,
    name: str,
    keys: _Keys,
    progress: SignalProgress | None,
    operation: object,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> int:
    """The same, however often it is repeated: the keys of the first call are kept, and numbered."""
    if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"signal_once({name!r})", "give it a name, the same at every repeat")
    kept_as = f"query:{subject.kind}:{name}"
    check_source(f"{kept_as}:{'0' * 2 * _ID_BYTES}")
    called = _operation(subject, operation, args, kwargs)
    store = hub.store
    kept = await until_answered(lambda: store.read_kept(kept_as), Tries(store.clock, hub.settings))
    if kept is None:
        packed = pack([token_hex(_ID_BYTES), *await keys()])
        kept = await until_answered(
            lambda: store.keep(kept_as, packed, _KEEP_KEYS_MS), Tries(store.clock, hub.settings)
        )
    with stored_of(f"the keys that signal_once({name!r}) has collected"):
        run, *found = _texts(unpack(kept))
    async with hub.producer(f"{kept_as}:{run}") as opened:
        producer = cast("SourceProducer", opened)

        async def send(number: int, key: str) -> None:
            await producer.signal_once(number, EntityId(subject.name, key), called, *args, **kwargs)

        return await _send_all(found, send, producer.flush, progress)


def _texts(stored: Any) -> list[str]:
    if type(stored) is not list or not all(type(each) is str for each in cast("list[object]", stored)):
        raise TypeError("it is no list of texts")
    return cast("list[str]", stored)


async def _send_all(
    keys: Sequence[str],
    send: Callable[[int, str], Awaitable[None]],
    flush: Callable[[], Awaitable[None]],
    progress: SignalProgress | None,
) -> int:
    total = len(keys)
    if progress is not None:
        progress(0, total)
    sent = 0
    while sent < total:
        chunk = keys[sent : sent + _CHUNK_LENGTH]
        try:
            for number, key in enumerate(chunk, sent):
                await send(number, key)
            await flush()
        except SteadError as error:
            raise PartlySent(sent, total, text_of_error(error)) from error
        sent += len(chunk)
        if progress is not None:
            progress(sent, total)
    return total
