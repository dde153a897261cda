"""From what a caller writes to the start of an instance: which code, which input, which ID."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

from stead.entities.extending import ClientText, check_models
from stead.orchestrations._definition.input import untyped_input
from stead.orchestrations._definition.orchestration import Orchestration
from stead.orchestrations._definition.registry import OrchestrationRegistry
from stead.orchestrations._history.data import check_event_name, event_fields, plain_data
from stead.orchestrations._history.errors import UnknownOrchestration
from stead.transport import InvalidInput, Reuse

ReusePolicy: TypeAlias = Literal["finished", "never", "always"]

_REUSES: dict[str, Reuse] = {"finished": Reuse.FINISHED, "never": Reuse.NEVER, "always": Reuse.ALWAYS}
NAME_LENGTH_MAX = 256
REASON_LENGTH_MAX = 4_000


class Subject(NamedTuple):
    """What is to be started: a name, and its definition if it is known here."""

    name: str
    version: str | None
    definition: Orchestration[Any, Any] | None = None
    published: bool = True  # somebody has to have published the name; False: it is registered here

    def encode(self, value: object) -> object:
        """The input as plain data, as it is now: what its giver does with it later changes nothing.

        Raises `InvalidInput` if it is not what the orchestration takes, or cannot be stored.
        """
        if self.definition is not None:
            return plain_data(self.definition.encode_input(value))
        if isinstance(value, ClientText):
            return value.read(None) if value.twice else str(value)
        return plain_data(untyped_input(self.name, value))


def resolve_subject(registry: OrchestrationRegistry, orchestration: object, version: str | None) -> Subject:
    """What a caller means by an orchestration or its name. Raises `UnknownOrchestration`, `InvalidInput`."""
    if isinstance(orchestration, Orchestration):
        wanted: Orchestration[Any, Any] = orchestration  # pyright: ignore[reportUnknownVariableType] - of whatever types
        if not registry.knows(wanted.name):
            raise UnknownOrchestration(wanted.name, registry.orchestration_names())
        return Subject(wanted.name, version or wanted.version, wanted, published=False)
    if not isinstance(orchestration, str):
        raise InvalidInput(
            f"orchestration {orchestration!r}",
            "it is none: write a function with @app.orchestration above it, or a name",
        )
    if not 0 < len(orchestration) <= NAME_LENGTH_MAX or not orchestration.isprintable():
        raise InvalidInput(f"orchestration {orchestration[:40]!r}", "a name has 1 to 256 printable characters")
    known = registry.find(orchestration, version)
    if known is None:
        return Subject(orchestration, version, published=not registry.knows(orchestration))
    return Subject(known.name, version or known.version, known, published=False)


def check_reuse(reuse: str) -> Reuse:
    """What to do if the ID is taken. Raises `InvalidInput`."""
    found = _REUSES.get(reuse)
    if found is None:
        raise InvalidInput(f"reuse={reuse!r}", 'write "finished", "never" or "always"')
    return found


def event_args(name: str, data: object) -> tuple[object, ...]:
    """The arguments of an event's message. Raises `InvalidInput` for a name that can be none, and for models that would arrive as others."""
    check_models(data, f"the data of event {check_event_name(name)!r}")
    return event_fields(name, data)


def check_reason(reason: str) -> str:
    """A reason: text, which history and status carry. Raises `InvalidInput` otherwise."""
    if not isinstance(reason, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"reason {reason!r}", "it is text")
    if len(reason) > REASON_LENGTH_MAX:
        raise InvalidInput("reason", f"it has {len(reason):,} characters, and {REASON_LENGTH_MAX:,} may be")
    return reason
