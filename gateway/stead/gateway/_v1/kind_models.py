"""What `GET /api/v1/entity-kinds/{name}` and `GET /api/v1/orchestrations/{name}` answer with."""

from __future__ import annotations

from typing import Any

from .models import AnswerModel


class ArgumentModel(AnswerModel):
    """An argument of an operation."""

    name: str
    json_schema: dict[str, Any]
    """What is taken. Empty: anything, or it is not known."""
    required: bool
    by_name: bool
    """Whether it can be given by its name (`kwargs`): else only at its place (`args`)."""
    default: str | int | float | bool | None = None
    """What it is if it is not given, where that is plain."""


class KindShown(AnswerModel):
    """What workers have published of a kind of entities."""

    name: str
    operations: list[str] | None
    """Null where any operation's name is taken."""
    arguments: dict[str, list[ArgumentModel]]
    """By the names of operations. One that is left out takes any number, or is published by a worker that does not tell: its arguments
    are any JSON."""


class OrchestrationShown(AnswerModel):
    """What workers have published of an orchestration."""

    name: str
    versions: list[str]
    """Empty text: one without a version."""
    input: list[ArgumentModel] | None
    """The one that an instance is started with by this name alone; an empty list if it takes none. Null if it is not known: it is any
    JSON."""
    events: dict[str, dict[str, Any]]
    """The external events of which its code says that it waits for them, with the JSON schemas of their data. An empty schema: anything,
    or it is not known."""
