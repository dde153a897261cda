"""Which instances a query of `/api/v1` means: what the client chooses by, and what is looked for in their statuses here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stead.gateway._http.json_values import to_json
from stead.gateway._http.query import Query
from stead.orchestrations import OrchestrationStatus

from .common import read_tags


@dataclass(frozen=True, slots=True)
class InstanceQuery:
    """Which instances a query means."""

    options: dict[str, Any]  # what the client chooses by
    version: str | None
    parent: str | None
    text: str  # in lower case

    @classmethod
    def of(cls, query: Query) -> InstanceQuery:
        options: dict[str, Any] = {
            "statuses": query.statuses("status") or None,
            "name": query.text("name"),
            "prefix": query.text("prefix") or "",
            "created_from": query.instant("created_from"),
            "created_to": query.instant("created_to"),
            "tags": read_tags(query),
        }
        return cls(options, query.text("version"), query.text("parent"), (query.text("text") or "").lower())

    @property
    def looks(self) -> bool:
        """Whether there is something that the client does not choose by."""
        return self.version is not None or self.parent is not None or self.text != ""

    def has(self, status: OrchestrationStatus[Any]) -> bool:
        """What the client does not choose by."""
        if self.version is not None and status.version != self.version:
            return False
        if self.parent is not None and status.parent_instance_id != self.parent:
            return False
        return not self.text or self.text in _said_of(status)


def _said_of(status: OrchestrationStatus[Any]) -> str:
    """What can be found in a status, in lower case."""
    failure = status.failure
    said: list[object] = [status.instance_id, status.name, *(status.tags or {}).values()]
    while failure is not None:
        said += [failure.error_type, failure.message]
        failure = failure.cause
    values = [value for value in (status.custom_status, status.output, status.input) if value is not None]
    return "\n".join([*map(str, said), *(to_json(value).decode() for value in values)]).lower()
