"""From what the code gives a call to what is scheduled: names looked up, arguments checked, options taken from definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stead.entities.extending import check_instance_id, check_models, check_tags, instant_in_ms
from stead.orchestrations._definition.input import InstanceId, untyped_input
from stead.orchestrations._definition.versions import check_version
from stead.orchestrations._history.events import (
    EntityOperationCalled,
    EntityOperationSignaled,
    OrchestrationInstanceStarted,
)
from stead.transport import InvalidInput

from .calls import ActivityCall, EntityCall, SubOrchestrationCall, operation_failed

if TYPE_CHECKING:
    from .commands import Commands
    from .resolver import ActivityForm, OrchestrationForm


def ask_activity(core: Commands, activity: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> ActivityCall:
    """`OrchestrationContext.call_activity`."""
    form = _activity(core, activity)
    if form is None:
        name = str.__str__(activity)  # (the text alone, of whatever kind of text)
        for value in (*args, *kwargs.values()):
            check_models(value, f"an argument of activity {name}")
        call = ActivityCall(core, name, None, None)
        call.args = list(args)
        call.kwargs = kwargs or None
        call.queue = ""
        call.tags = None
    else:
        call = ActivityCall(core, form.name, form.decode_result, form.retry)
        call.args, call.kwargs = form.encode_arguments(args, kwargs)
        call.limits = form.timeout_ms, form.heartbeat_ms
        call.total_ms = form.total_ms
        call.await_cleanup = form.await_cleanup or None
        call.local = form.local
        if form.numbers is not None:
            call.limit, call.priority = form.limit_of(call.args, call.kwargs), form.priority or None
        call.queue = form.queue
        call.tags = dict(form.tags) if form.tags else None
    call.schedule()
    return call


def ask_sub_orchestration(core: Commands, orchestration: Any, input: Any) -> SubOrchestrationCall:
    """`OrchestrationContext.call_sub_orchestrator`."""
    core.check()
    core.critical.check_sub_orchestration()
    form = _orchestration(core, orchestration)
    if form is None:
        call = SubOrchestrationCall(core, str.__str__(orchestration), None, None)
        call.version = call.named_id = call.tags = call.parent_close = None
        call.input = untyped_input(str.__str__(orchestration), input)
    else:
        call = SubOrchestrationCall(core, form.name, form.decode_output, form.retry)
        call.version = form.version or None
        call.named_id = form.instance_id
        call.parent_close = form.parent_close
        call.tags = dict(form.tags) if form.tags else None
        call.input = form.encode_input(input)
    if call.named_id is not None:
        _check_child(core, call.named_id)
    call.schedule()
    return call


def ask_start(
    core: Commands,
    orchestration: Any,
    input: Any,
    instance_id: str | None,
    at: datetime | None,
    version: str | None,
    tags: Mapping[str, str] | None,
) -> InstanceId[Any]:
    """`OrchestrationContext.start_new`."""
    core.check()
    form = _orchestration(core, orchestration)
    if form is None:
        name = str.__str__(orchestration)
        data = untyped_input(name, input)
    else:
        name, data = form.name, form.encode_input(input)
        version = version or form.version or None
        tags = tags or form.tags
        instance_id = instance_id or form.instance_id
    if instance_id is not None:
        _check_child(core, instance_id)
    at_ms = None if at is None else instant_in_ms(at)
    now_ms, number = core.now_ms, core.last_id + 1
    version, instance_id = check_version(version), instance_id or core.child_id()
    event = OrchestrationInstanceStarted(now_ms, number, name, version, instance_id, data, at_ms, check_tags(tags))
    return InstanceId(core.schedule(event).instance_id)


def ask_entity(core: Commands, operation: Any, key: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> EntityCall:
    """`OrchestrationContext.call_entity`."""
    core.check()
    call = core.types.resolve(operation, key, args, kwargs)
    over = core.critical.begin_call(call.target)
    known = call.operation
    task = EntityCall(
        core,
        None if known is None else known.decode_result,
        lambda failure: operation_failed(call.target, call.operation_name, failure),
        over,
    )
    now_ms, number, lock = core.now_ms, core.last_id + 1, core.critical.lock
    name, given = call.operation_name, list(call.args)
    try:
        core.schedule(EntityOperationCalled(now_ms, number, call.target, name, given, call.kwargs or None, lock), task)
    except InvalidInput:
        over()
        raise
    return task


def send_signal(
    core: Commands,
    operation: Any,
    key: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    due_ms: int | None,
    delay_ms: int | None,
) -> None:
    """A signal to an entity, now or later."""
    core.check()
    call = core.types.resolve(operation, key, args, kwargs)
    core.critical.check_signal(call.target)
    now_ms, number = core.now_ms, core.last_id + 1
    name, given, named = call.operation_name, list(call.args), call.kwargs or None
    core.schedule(EntityOperationSignaled(now_ms, number, call.target, name, given, named, due_ms, delay_ms))


def _activity(core: Commands, activity: Any) -> ActivityForm | None:
    """What is known of an activity that code names; None for a name that nothing here bears."""
    if isinstance(activity, str):
        return core.types.activity(activity)
    if not hasattr(activity, "encode_arguments"):
        raise _other_than(activity, "an activity")
    form: ActivityForm = activity
    return form


def _orchestration(core: Commands, orchestration: Any) -> OrchestrationForm | None:
    """What is known of an orchestration that code names; None for a name that nothing here bears."""
    if isinstance(orchestration, str):
        return core.types.orchestration(orchestration)
    if not hasattr(orchestration, "encode_input"):
        raise _other_than(orchestration, "an orchestration")
    form: OrchestrationForm = orchestration
    return form


def _check_child(core: Commands, instance_id: str) -> None:
    check_instance_id(instance_id)
    if instance_id == core.instance_id:
        raise InvalidInput(f"instance ID {instance_id!r}", "it is this instance's own; another one needs another ID")


def _other_than(form: Any, what: str) -> InvalidInput:
    return InvalidInput(f"{form!r}", f"it is not {what}; name what @app.{what.split()[1]} gave, or its name as text")
