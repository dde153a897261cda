"""Asking and telling an instance something: queries and updates, and the messages behind all that is done to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, overload

from stead.entities import BacklogFull, CallTimeout
from stead.entities.extending import (
    SENDS_QUERY,
    SENDS_UPDATE,
    Failure,
    TraceContext,
    check_instance_id,
    check_models,
    message_extras,
    sending,
)
from stead.orchestrations._definition.questions import OrchestrationQuery, OrchestrationUpdate, Question
from stead.orchestrations._history.data import plain_data
from stead.orchestrations._history.errors import (
    InstanceBlocked,
    InstanceFinished,
    NothingShared,
    QueryFailed,
    UnknownInstance,
    UnknownQuestion,
    UpdateFailed,
    UpdateRefused,
)
from stead.orchestrations._history.failures import FailureDetails
from stead.orchestrations._history.messages import ASK, FREEING, UPDATE, message_version
from stead.transport import InvalidInput, SteadError

from .queries import Look, instance_error
from .reading import InstanceReader

P = ParamSpec("P")
R = TypeVar("R")


class InstanceTeller(InstanceReader):
    """See the module."""

    @overload
    async def ask(
        self, query: OrchestrationQuery[P, R], instance_id: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...

    @overload
    async def ask(self, query: str, instance_id: str, /, *args: Any, **kwargs: Any) -> Any: ...

    async def ask(self, query: Any, instance_id: str, /, *args: Any, **kwargs: Any) -> Any:
        """Ask an instance something, whether it goes on, is suspended or has ended: `(where, instance_id, detailed=True)`, or by
        name. It answers from what its code shares (`context.share`), as of all that is committed before, and nothing of it
        is kept.

        Raises `QueryFailed` with what the query raised, `UnknownInstance`, `NothingShared`, `InstanceBlocked` if no code fits,
        `UnknownQuestion`, `InvalidInput` for arguments that it does not take, and `CallTimeout`.
        """
        return await self._ask(ASK, query, instance_id, args, kwargs)

    @overload
    async def update(
        self, update: OrchestrationUpdate[Any, P, R], instance_id: str, /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...

    @overload
    async def update(self, update: str, instance_id: str, /, *args: Any, **kwargs: Any) -> Any: ...

    async def update(self, update: Any, instance_id: str, /, *args: Any, **kwargs: Any) -> Any:
        """Tell an instance something, and wait for what comes of it: `(change_seat, instance_id, "12A")`, or by name. Once it is
        accepted it is carried out, as a part of the orchestration, after what was sent before.

        Raises `UpdateRefused` with what the validator raised, `UpdateFailed` with what the update raised, `InstanceFinished` if
        the instance ends before it, and what `ask` raises; after `CallTimeout` it may still be carried out.
        """
        return await self._ask(UPDATE, update, instance_id, args, kwargs)

    async def _ask(
        self, operation: str, question: Any, instance_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        kind = "query" if operation == ASK else "update"
        check_instance_id(instance_id)
        if isinstance(question, str):
            name, form = question, None
            for value in (*args, *kwargs.values()):
                check_models(value, f"an argument of {kind} {question}")
            given, named = plain_data(list(args)), plain_data(dict(kwargs)) or None
        else:
            form = _form_of(question, kind)
            name = form.name
            given, named = form.encode_arguments(args, kwargs)
        look = await self._look(instance_id)
        if look.finished and operation == UPDATE:
            raise InstanceFinished(instance_id, look.status)
        with sending(SENDS_QUERY if operation == ASK else SENDS_UPDATE, instance_id, name) as trace:
            value = await self._asked(operation, kind, name, instance_id, given, named, trace)
        return value if form is None else form.decode_result(value)

    async def _asked(
        self,
        operation: str,
        kind: str,
        name: str,
        instance_id: str,
        given: object,
        named: Mapping[str, object] | None,
        trace: TraceContext | None,
    ) -> Any:
        pending = await self._calls.begin(instance_id, f"{kind} {name}", as_error=_error_of(name, operation))
        try:
            extras = message_extras(kwargs=named, reply_to=self._calls.reply_to(pending), trace=trace)
            version = message_version(operation)
            payload = self._outgoing.encode(instance_id, operation, [name, given], extras, version=version)
            await self._send_call(pending, payload)
            return await pending.future
        except CallTimeout as error:
            raise await self.unanswered(error.what, instance_id, error.timeout_seconds) from None
        finally:
            self._calls.end(pending)

    async def _tell(self, instance_id: str, operation: str, *args: object) -> None:
        """Tell an instance something that is nothing to one that has ended. Raises `UnknownInstance`."""
        check_instance_id(instance_id)
        payload = self._outgoing.encode(
            instance_id, operation, args, None, version=message_version(operation), bare=True
        )
        await self._send_unless_ended(instance_id, payload, frees=operation in FREEING)

    async def _send_unless_ended(self, instance_id: str, payload: bytes, *, frees: bool = False) -> Look | None:
        """Send a message to an instance that goes on; gives the instance if it has ended, and nothing was sent. Raises
        `UnknownInstance`.

        The store looks at the instance in the step that takes the message, so that nobody does before. Who was refused looks why; and
        who finds that it was started anew meanwhile sends the message again, of which nothing was written.
        """
        full: BacklogFull | None = None
        while True:
            try:
                if await self._send_to_instance(instance_id, payload, frees=frees):
                    return None
            except BacklogFull as error:  # what will never be taken is not to be tried again
                full = error
            look = await self._look(instance_id)
            if look.finished:
                return look
            if full is not None:
                raise full

    async def _call_instance(self, instance_id: str, operation: str, *args: object) -> object:
        """Tell an instance something, and wait for its answer. Who has no codec may do so, and gets `PayloadLocked` then: it is
        done, and what was answered is not known."""
        pending = await self._calls.begin(instance_id, operation, as_error=instance_error)
        try:
            extras = message_extras(reply_to=self._calls.reply_to(pending))
            payload = self._outgoing.encode(instance_id, operation, args, extras, bare=True)
            await self._send_call(pending, payload, frees=operation in FREEING)
            return await pending.future
        except CallTimeout as error:
            raise await self.unanswered(error.what, instance_id, error.timeout_seconds) from None
        finally:
            self._calls.end(pending)


def _form_of(question: Any, kind: str) -> Question[..., Any]:
    expected = OrchestrationQuery if kind == "query" else OrchestrationUpdate
    if not isinstance(question, expected):
        raise InvalidInput(f"{kind} {question!r}", f"name what the orchestration's .{kind} gave, or its name as text")
    return question  # pyright: ignore[reportUnknownVariableType] - of whatever types


_OWN = {
    f"stead.orchestrations.{cls.__name__}": cls
    for cls in (UnknownInstance, InstanceFinished, InstanceBlocked, NothingShared)
}


def _error_of(name: str, operation: str) -> Any:
    """What makes the error that a caller gets of what the worker answers."""

    def error(failure: Failure, target: str, _: str) -> SteadError:
        if failure.kind == "undeliverable":
            own = _OWN.get(failure.type)
            return UnknownQuestion(failure.message) if own is None else own(target)
        if failure.kind == "invalid_input":
            what, _, reason = failure.message.partition(": ")
            return InvalidInput(what, reason)
        form = QueryFailed if operation == ASK else UpdateRefused if failure.kind == "refused" else UpdateFailed
        cause_type, _, cause = failure.cause.partition(": ")
        details = FailureDetails(cause_type, cause) if failure.cause else None
        return form(name, target, failure.type, failure.message, failure.traceback, details)

    return error
