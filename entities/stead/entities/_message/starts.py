"""From what an operation writes to the start of an orchestration's instance: `context.start_new`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from stead.transport import InvalidInput, Reuse, pack, unpack

from .times import instant_in_ms

NAME_LENGTH_MAX = 256
TAG_LENGTH_MAX = 256
TAGS_LENGTH_MAX = 64


class Startable(Protocol):
    """An orchestration, as far as it matters here."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str | None: ...

    def encode_input(self, value: Any) -> Any:
        """The input as plain data. Raises `InvalidInput` for one that the orchestration does not take."""
        ...


def start_args(
    orchestration: str | Startable,
    value: object,
    at: datetime | None,
    version: str | None,
    tags: Mapping[str, str] | None,
    now_ms: int,
) -> list[object]:
    """The arguments of a start message, the input as it is now. Raises `InvalidInput`."""
    all_tags = dict(tags or {})
    if isinstance(orchestration, str):
        name = orchestration
        plain: object = unpack(pack(value))
    elif callable(getattr(orchestration, "encode_input", None)):
        name = orchestration.name
        version = version or orchestration.version
        own_tags: Mapping[str, str] | None = getattr(orchestration, "tags", None)
        all_tags = {**(own_tags or {}), **all_tags}
        plain = unpack(pack(orchestration.encode_input(value)))
    else:
        raise InvalidInput(
            f"orchestration {orchestration!r}", "it is none: write a function with @app.orchestration, or a name"
        )
    if not 0 < len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise InvalidInput(f"orchestration {name[:40]!r}", f"a name has 1 to {NAME_LENGTH_MAX} printable characters")
    at_ms = None if at is None else instant_in_ms(at)
    return [name, version, plain, now_ms, at_ms, check_tags(all_tags), None, int(Reuse.FINISHED)]


def check_tags(tags: Mapping[str, str] | None) -> dict[str, str] | None:
    """Tags are text by text, few and short: every status carries them. None for no tags. Raises `InvalidInput`."""
    if not tags:
        return None
    for key, value in tags.items():
        if not isinstance(key, str) or not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidInput(f"tag {key!r}", "tags are text by text")
        if not key or len(key) > TAG_LENGTH_MAX or len(value) > TAG_LENGTH_MAX:
            raise InvalidInput(
                f"tag {key[:40]!r}",
                f"its name has 1 to {TAG_LENGTH_MAX} characters, its value at most {TAG_LENGTH_MAX}",
            )
    if len(tags) > TAGS_LENGTH_MAX:
        raise InvalidInput("tags", f"{len(tags)} are too many; {TAGS_LENGTH_MAX} are the limit")
    return dict(tags)
