"""Looks for what cannot be replayed in an orchestrator's code, at its definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal


def check_determinism(name: str, function: Callable[..., Any], mode: Literal["warn", "error", "off"]) -> None:
    """Say what a replay would find changed."""
