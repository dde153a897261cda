"""What `/api/v1/dead-letters` is asked, and answers with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from .models import AnswerModel, RequestModel


class DeadLetterModel(AnswerModel):
    """A message that could not be carried out."""

    id: str
    target: str | None
    """An entity's ID or an instance's; null if the message cannot be read."""
    operation: str
    args: list[Any]
    kwargs: dict[str, Any]
    sender: str | None
    error_type: str
    message: str
    died: datetime
    tries: int
    traceback: str | None = None
    """Where one is shown: what the operation raised, in the worker."""


class DeadLetterPage(AnswerModel):
    """Dead letters, partition by partition, oldest first."""

    dead_letters: list[DeadLetterModel]
    continuation: str | None
    """For the next page; null at the end."""


class DeadLetterChoice(RequestModel):
    """Which dead letters are meant: some by their IDs, or all."""

    ids: Annotated[list[str], Field(max_length=10_000)] | None = None
    all: bool = False
    error_type: str | None = None
    """Of all, only those that died of this."""
    kind: str | None = None
    """Of all, only messages to entities of this name; `(instances)`: to instances."""


class DeadLettersDone(AnswerModel):
    """What became of dead letters."""

    count: int
    missing: list[str]
    """IDs of which there is no dead letter (any more)."""


class DeadLetterCount(AnswerModel):
    """How many there are of one kind, for one reason."""

    kind: str
    """The entity's name; `(instances)` of what is no entity's."""
    error_type: str
    count: int


class DeadLetterCounts(AnswerModel):
    """How many there are."""

    counts: list[DeadLetterCount]
    complete: bool
    """Whether all were looked at."""
