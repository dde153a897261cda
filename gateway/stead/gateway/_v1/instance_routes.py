"""The routes of `/api/v1/instances` and what the OpenAPI document says of them."""

from __future__ import annotations

from collections.abc import Mapping

from stead.gateway._http.access import Right
from stead.gateway._http.routes import API_V1, Answer, Handler, Parameter, Route, RouteDescription

from .common import CONTINUATION, INSTANCE_PATHS, LIMIT, NOT_FOUND, SINCE, WAIT_MS
from .models import (
    AnswerModel,
    Arguments,
    CallResult,
    Deleted,
    InstanceCounts,
    InstancePage,
    InstanceStatus,
    Managed,
    ManageRequest,
    PurgeRequest,
    Reason,
    RestartRequest,
    Started,
    StartRequest,
)

_PATH = f"{API_V1}/instances"
_ONE = f"{_PATH}/{{instance_id}}"
_TAG = "Instances"

SELECTION = (
    Parameter("name", "Only those of this orchestration."),
    Parameter("status", "Only those with one of these runtime statuses.", many=True),
    Parameter("tag", "Only those with this tag, as `name=value`; may be repeated.", many=True),
    Parameter("version", "Only those of this version."),
    Parameter("parent", "Only the sub-orchestrations of this instance."),
    Parameter("prefix", "Only IDs that begin with it."),
    Parameter(
        "text",
        "Only those that have it, in any case, in ID, name, tags, custom status, output, failure, or (if it is given) input.",
    ),
    Parameter("created_from", "Only those created then or later.", format="date-time"),
    Parameter("created_to", "Only those created then or before.", format="date-time"),
)
NAMED_MAX = 100
"""Instances that one request asks for by their IDs."""
_NAMED = Parameter(
    "id",
    f"Only those of these IDs, in this order: {NAMED_MAX} at most, and nothing else to choose by. What there is not is left out.",
    many=True,
)
_STATUS = Answer("Its status", InstanceStatus, headers={"ETag": "Changes with the status."})
_CONFLICT = Answer("The instance is not in a state for it")
_GONE = Answer("The instance is finished")
_TIMEOUT = Answer("No worker answers; it may still be carried out")


class FailureTraced(AnswerModel):
    """Why an instance failed, with the workers' tracebacks."""

    error_type: str
    message: str
    traceback: str
    cause: FailureTraced | None = None


class TracedFailure(AnswerModel):
    """Of an instance."""

    failure: FailureTraced | None
    """None if it has not failed."""


def instance_routes(handlers: Mapping[str, Handler]) -> list[Route]:
    """The routes with their handlers, by name."""
    return [*_collection(handlers), *_many(handlers), *_one(handlers), *_failure(handlers), *_actions(handlers)]


def _collection(handlers: Mapping[str, Handler]) -> list[Route]:
    return [
        Route(
            "POST",
            _PATH,
            handlers["start"],
            "signal",
            RouteDescription(
                "startInstance",
                "Start an instance",
                _TAG,
                "With `wait_ms`, answers with its status if it is finished within that time.",
                query=(WAIT_MS,),
                body=StartRequest,
                body_required=True,
                answers={
                    200: Answer("It is finished", InstanceStatus, headers={"Location": "Its status."}),
                    202: Answer("The start is durable", Started, headers={"Location": "Its status."}),
                    404: NOT_FOUND,
                    409: Answer("An instance of this ID is there already"),
                },
            ),
        ),
        Route(
            "GET",
            _PATH,
            handlers["list_instances"],
            "read",
            RouteDescription(
                "listInstances",
                "The instances that match",
                _TAG,
                "Ascending by ID. A page may hold less than `limit`, even nothing, and still have a next one.",
                query=(
                    *SELECTION,
                    _NAMED,
                    Parameter("input", "Whether to give the inputs.", "boolean", default=False),
                    LIMIT,
                    CONTINUATION,
                ),
                answers={200: Answer("A page", InstancePage)},
            ),
        ),
    ]


def _many(handlers: Mapping[str, Handler]) -> list[Route]:
    return [
        Route(
            "GET",
            f"{API_V1}/instance-counts",
            handlers["count_instances"],
            "read",
            RouteDescription(
                "countInstances",
                "How many instances match",
                _TAG,
                "By orchestration, version and status. Looks at each instance.",
                query=SELECTION,
                answers={200: Answer("The counts", InstanceCounts)},
            ),
        ),
        Route(
            "POST",
            f"{API_V1}/instance-purges",
            handlers["purge_many"],
            "manage",
            RouteDescription(
                "purgeInstances",
                "Delete the finished instances that match",
                _TAG,
                "All of what is given has to match, and something has to be given.",
                body=PurgeRequest,
                body_required=True,
                answers={200: Answer("How many were deleted", Deleted), 504: _TIMEOUT},
            ),
        ),
        Route(
            "POST",
            f"{API_V1}/instance-actions",
            handlers["manage_many"],
            "manage",
            RouteDescription(
                "manageInstances",
                "Do the same to the instances that match",
                _TAG,
                "All of what is given has to match, and something has to be given. `dry_run` only counts.",
                body=ManageRequest,
                body_required=True,
                answers={200: Answer("What became of it", Managed)},
            ),
        ),
    ]


def _failure(handlers: Mapping[str, Handler]) -> list[Route]:
    return [
        Route(
            "GET",
            f"{_ONE}/failure",
            handlers["get_failure"],
            "manage",
            RouteDescription(
                "getFailure",
                "Why an instance failed, with the workers' tracebacks",
                _TAG,
                "The status says the same without tracebacks.",
                answers={200: Answer("The failure", TracedFailure), 404: NOT_FOUND},
                paths=INSTANCE_PATHS,
            ),
            instance_scoped=True,
        ),
    ]


def _one(handlers: Mapping[str, Handler]) -> list[Route]:
    return [
        Route(
            "GET",
            _ONE,
            handlers["get_status"],
            "read",
            RouteDescription(
                "getInstance",
                "The status of an instance",
                _TAG,
                "With `wait_ms`, waits until it is finished (or for so long); with `since` as well, until its status is "
                "another one than that.",
                query=(
                    Parameter("history", "Whether to give the history.", "boolean", default=False),
                    Parameter("input", "Whether to give the input.", "boolean", default=True),
                    SINCE,
                    WAIT_MS,
                ),
                headers=(Parameter("If-None-Match", "An `ETag` seen before: 304 if it still holds."),),
                answers={200: _STATUS, 304: Answer("The status is the one that the client has"), 404: NOT_FOUND},
                paths=INSTANCE_PATHS,
            ),
            instance_scoped=True,
        ),
        Route(
            "DELETE",
            _ONE,
            handlers["purge"],
            "manage",
            RouteDescription(
                "purgeInstance",
                "Delete a finished instance",
                _TAG,
                query=(Parameter("recursive", "Its sub-orchestrations as well.", "boolean", default=False),),
                answers={200: Answer("It is deleted", Deleted), 404: NOT_FOUND, 409: _CONFLICT, 504: _TIMEOUT},
                paths=INSTANCE_PATHS,
            ),
            instance_scoped=True,
        ),
        Route(
            "POST",
            f"{_ONE}/events/{{event}}",
            handlers["raise_event"],
            "signal",
            RouteDescription(
                "raiseEvent",
                "Send an event to an instance",
                _TAG,
                "The body is the event's data, any JSON.",
                body={},
                answers={202: Answer("The event is durable", Started), 404: NOT_FOUND, 410: _GONE},
                paths={**INSTANCE_PATHS, "event": "The event's name, in any case."},
            ),
            instance_scoped=True,
        ),
    ]


def _actions(handlers: Mapping[str, Handler]) -> list[Route]:
    found = [
        _action(handlers, "terminate", "End an instance", "Nothing happens to a finished one."),
        _action(
            handlers,
            "cancel",
            "Ask an instance to end",
            "It may undo what it has done before it is Canceled. Nothing happens to a finished one.",
        ),
        _action(handlers, "suspend", "Let an instance pause", "What arrives meanwhile is kept."),
        _action(handlers, "resume", "Let a suspended instance go on", ""),
        _action(
            handlers,
            "rewind",
            "Let a failed instance go on",
            "What failed is tried again, what succeeded is kept.",
            {409: _CONFLICT, 410: _GONE, 504: _TIMEOUT, 422: Answer("It could not be rewound")},
        ),
    ]
    restart = RouteDescription(
        "restartInstance",
        "Start an instance anew",
        _TAG,
        "With the same name, version, input and tags.",
        body=RestartRequest,
        answers={202: Answer("The start is durable", Started), 404: NOT_FOUND, 409: _CONFLICT},
        paths=INSTANCE_PATHS,
    )
    questions = [
        _question(
            handlers, "ask", "queries/{query}", "read", "Ask an instance something", "It answers from what it shares."
        ),
        _question(
            handlers,
            "update",
            "updates/{update}",
            "signal",
            "Tell an instance something",
            "Answers when it has been carried out. What its validator refuses leaves nothing.",
        ),
    ]
    found += questions
    return [*found, Route("POST", f"{_ONE}/restart", handlers["restart"], "manage", restart, instance_scoped=True)]


def _question(handlers: Mapping[str, Handler], name: str, path: str, right: Right, summary: str, text: str) -> Route:
    asked = path.split("/")[1].strip("{}")
    operation = RouteDescription(
        f"{name}Instance",
        summary,
        _TAG,
        text,
        body=Arguments,
        answers={
            200: Answer("What it gives", CallResult),
            404: NOT_FOUND,
            409: Answer("The instance shares nothing, or waits for code"),
            410: _GONE,
            422: Answer("It was refused, or raised an error"),
            504: _TIMEOUT,
        },
        paths={**INSTANCE_PATHS, asked: f"The {asked}'s name, in any case."},
    )
    return Route("POST", f"{_ONE}/{path}", handlers[name], right, operation, instance_scoped=True)


def _action(
    handlers: Mapping[str, Handler], name: str, summary: str, text: str, more: Mapping[int, Answer] | None = None
) -> Route:
    right: Right = "manage"
    operation = RouteDescription(
        f"{name}Instance",
        summary,
        _TAG,
        text,
        body=Reason,
        answers={202: Answer("It is durable, and will be done", Started), 404: NOT_FOUND, **(more or {})},
        paths=INSTANCE_PATHS,
    )
    return Route("POST", f"{_ONE}/{name}", handlers[name], right, operation, instance_scoped=True)
