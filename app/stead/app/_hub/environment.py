"""Settings of the environment that cannot be: which variable, what it holds, and what it must be; and those that are none."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from stead.transport import InvalidInput, Settings, get_logger

logger = get_logger("stead.app")

_LENGTH_MAX = 80
_PREFIX = "STEAD_"
_OTHERS = frozenset(
    {
        "STEAD_URL",
        "STEAD_HTTP_KEYS",
        "STEAD_DEV_HTTP_FILES",
        "STEAD_DEV_HTTP_HOST",
        "STEAD_DEV_HTTP_KEYS_FILE",
        "STEAD_DEV_HTTP_DASHBOARD",
    }
    | {"STEAD_WORKER_CHILD"}
)
_said: set[str] = set()  # each is named once in a process


def settings_from_environment() -> Settings:
    """The environment's settings. Raises `InvalidInput`, which names the variables."""
    try:
        return Settings()
    except ValidationError as error:
        raise InvalidInput("the environment", find_in_environment(error) or str(error)) from error


def warn_of_unknown_variables() -> None:
    """Say which variables of the environment look like settings and are none: nothing would come of them, silently."""
    for variable, nearest in unknown_variables(os.environ).items():
        if variable not in _said:
            _said.add(variable)
            meant = f"did you mean {nearest}?" if nearest else "see docs/reference/settings.md"
            logger.warning("%s in the environment is no setting of stead and has no effect: %s", variable, meant)


def unknown_variables(variables: Iterable[str]) -> dict[str, str]:
    """Those that begin as settings do and are none, with the name that each is nearest to, or ""."""
    found = [name for name in variables if name.upper().startswith(_PREFIX)]
    found = [
        name for name in found if name.upper() not in _OTHERS and name.lower().removeprefix("stead_") not in _FIELDS
    ]
    if not found:
        return {}
    known = [
        *_OTHERS,
        *(
            f"{kind.model_config.get('env_prefix', '')}{name}".upper()
            for kind in _kinds()
            for name in kind.model_fields
        ),
    ]
    nearest = {
        name: difflib.get_close_matches(name.upper(), known, 1, 0.75) for name in found if name.upper() not in known
    }
    return {name: near[0] if near else "" for name, near in nearest.items()}


_FIELDS = frozenset(Settings.model_fields)


def find_in_environment(error: BaseException | None) -> str:
    """What is wrong in the environment, if that is why settings were refused; otherwise nothing: then it was code that
    gave them."""
    if not isinstance(error, ValidationError):
        return "" if error is None or error.__cause__ is None else find_in_environment(error.__cause__)
    for kind in _kinds():
        if kind.__name__ == error.title:
            found = [_find(kind, str(detail["loc"][0]), detail["input"]) for detail in error.errors() if detail["loc"]]
            return "; ".join(text for text in found if text)
    return ""


def _kinds() -> tuple[type[BaseSettings], ...]:
    from stead.gateway import HttpSettings  # whoever has no gateway pays nothing for it

    return (Settings, HttpSettings)


def _find(kind: type[BaseSettings], field: str, refused: object) -> str:
    wanted = f"{kind.model_config.get('env_prefix', '')}{field}".lower()
    for variable, value in os.environ.items():
        if variable.lower() == wanted and value == refused:
            shown = repr(value)
            shown = shown if len(shown) <= _LENGTH_MAX else f"{shown[: _LENGTH_MAX - 1]}…"
            return f"{variable} is {shown}, and must be {_what_it_must_be(kind, field)}"
    return ""


def _what_it_must_be(kind: type[BaseSettings], field: str) -> str:
    schema: dict[str, Any] = kind.model_json_schema()["properties"].get(field, {})
    match schema:
        case {"type": "integer", "minimum": least, "maximum": most}:
            return f"a whole number from {least:,} to {most:,}"
        case {"enum": [*values]}:
            return f"one of {', '.join(str(value) for value in values)}"
        case {"type": "boolean"}:
            return "true or false"
        case _:
            return f"of type {schema.get('type', 'text')}"
