"""What extensions are told of: several of them may hook into each event of a worker's partitions.

    board.held = self.held       adds a listener; it replaces none
    board.held(partition)        tells all of them, in the order in which they came

A listener does not raise. Should one do so all the same, the others are told first, and then the worker ends: nobody knows
what that extension holds or has forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol

from typing_extensions import TypeVarTuple, Unpack

Ts = TypeVarTuple("Ts")


class Failing(Protocol):
    """Whose hooks these are: it hears of what a listener raised."""

    @property
    def fail(self) -> Callable[[BaseException], None]: ...


class Hook(Generic[*Ts]):
    """An event, as an attribute of its owner's class."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: Failing, kind: type | None = None) -> Callable[[Unpack[Ts]], None]:
        listeners: list[Callable[[Unpack[Ts]], None]] = vars(owner).get(self._name, [])

        def tell(*args: *Ts) -> None:
            failure: BaseException | None = None
            for listener in listeners:
                try:
                    listener(*args)
                except BaseException as error:  # noqa: BLE001 - see the module's head
                    failure = error
            if failure is not None:
                owner.fail(failure)

        return tell

    def __set__(self, owner: Failing, listener: Callable[[Unpack[Ts]], None]) -> None:
        vars(owner).setdefault(self._name, []).append(listener)


class AsyncHook(Generic[*Ts]):
    """One whose listeners are waited for, one after the other."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: Failing, kind: type | None = None) -> Callable[[Unpack[Ts]], Awaitable[None]]:
        listeners: list[Callable[[Unpack[Ts]], Awaitable[None]]] = vars(owner).get(self._name, [])

        async def tell(*args: *Ts) -> None:
            for listener in listeners:
                await listener(*args)

        return tell

    def __set__(self, owner: Failing, listener: Callable[[Unpack[Ts]], Awaitable[None]]) -> None:
        vars(owner).setdefault(self._name, []).append(listener)
