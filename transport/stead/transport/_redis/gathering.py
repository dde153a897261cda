"""What several callers ask at one time goes to the server together.

Whoever asks while nobody waits for an answer asks by himself, at once. What is asked meanwhile is gathered and goes out in
one pipeline as soon as that answer is here. So one caller waits no longer than before; many share a write, a time-out, an
answer of the event loop, and the look at the hub which every pipeline ends with.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from stead.transport._cancellation import begin_task
from stead.transport._contract.errors import ServerUnsuitable

from .answers import ReplyError, fault
from .link import Link

_Asked: TypeAlias = tuple[Sequence[bytes], "asyncio.Future[list[Any]]"]

_COMMANDS_MAX = 1_000
"""Commands after which a pipeline takes no further caller: its answers are read at once, and have one time-out."""


class Gathering:
    """The reads of a store's callers, over one link. For one event loop."""

    def __init__(self, link: Link, last: bytes, check: Callable[[Any], None]) -> None:
        """`last` is asked at the end of each pipeline, and `check` raises for all in it if the answer to that is not right."""
        self._link = link
        self._last = last
        self._check = check
        self._waits = False  # for an answer
        self._asked: deque[_Asked] = deque()
        self._carrier: asyncio.Task[None] | None = None  # (held: the event loop does not)

    async def ask(self, commands: Sequence[bytes]) -> list[Any]:
        """The answers to commands that change nothing, made in their order. Raises what the server has against any of them,
        and nothing that it has against the commands of others. Cancelled, it is nothing to the others.
        """
        if self._waits:
            answered: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
            self._asked.append((commands, answered))
            return _told(await answered)
        self._waits = True
        try:
            answers = await self._run(commands)
        finally:
            self._waits = False
            if self._asked:
                self._waits = True
                self._carrier = begin_task(self._carry(), name="stead asking")
        return _told(answers)

    async def _run(self, commands: Sequence[bytes]) -> list[Any]:
        *answers, last = await self._link.run((*commands, self._last), refusals=True)
        self._check(*_told([last]))
        return answers

    async def _carry(self) -> None:
        """Ask what has been gathered, until there is nothing more."""
        try:
            while together := self._take():
                try:
                    answers = await self._run([command for commands, _ in together for command in commands])
                except Exception as error:  # noqa: BLE001 - whatever it is, it is theirs
                    for _, answered in together:
                        if not answered.done():
                            answered.set_exception(error)
                    continue
                except BaseException:  # the event loop comes to its end
                    for _, answered in together:
                        answered.cancel()
                    raise
                first = 0
                for commands, answered in together:
                    end = first + len(commands)
                    if not answered.done():
                        answered.set_result(answers[first:end])
                    first = end
        finally:
            self._waits = False
            for _, answered in self._asked:
                answered.cancel()
            self._asked.clear()

    def _take(self) -> list[_Asked]:
        """The next ones for one pipeline, without those that nobody waits for any more."""
        together: list[_Asked] = []
        count = 0
        while self._asked and (not together or count + len(self._asked[0][0]) <= _COMMANDS_MAX):
            asked = self._asked.popleft()
            if not asked[1].done():
                together.append(asked)
                count += len(asked[0])
        return together


def _told(answers: list[Any]) -> list[Any]:
    """The answers of one caller; raises what the server has against one of them."""
    for answer in answers:
        if isinstance(answer, ReplyError):
            raise fault(answer)
        if isinstance(answer, ServerUnsuitable):
            raise answer
    return answers
