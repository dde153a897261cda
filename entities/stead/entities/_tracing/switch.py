"""Whether anybody wants to know: an SDK of OpenTelemetry is set up, or not.

    switch.on       what hot paths ask, for messages, slices and turns
    switch.look()   what is done now and then (by each read of an inbox, each request of a client): is there one by now?

The API's own calls would do nothing without an SDK, too, but each would cost as much as an operation does.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

on = False
_provider: Any = None  # that of which the tracer is
_tracer: Any = None


def look() -> bool:
    """Whether there is an SDK now. It costs nothing that could be measured while nobody has imported OpenTelemetry."""
    global on
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None:
        return False
    # What `get_tracer_provider` gives, which looks into the environment as long as nothing is set: that takes a microsecond.
    provider: Any = getattr(api, "_TRACER_PROVIDER", None)
    if provider is not _provider:
        _use(provider, api)
    on = _tracer is not None
    return on


def _use(provider: Any, api: Any) -> None:
    global _provider, _tracer
    _provider = provider
    _tracer = None
    if provider is not None and not isinstance(provider, (api.NoOpTracerProvider, api.ProxyTracerProvider)):
        _tracer = provider.get_tracer("stead", _version())
        if (ids := getattr(_tracer, "id_generator", None)) is not None:
            from .chosen_ids import ChosenIds

            if not isinstance(ids, ChosenIds):
                _tracer.id_generator = ChosenIds(ids)


def _version() -> str:
    try:
        return version("stead")
    except PackageNotFoundError:  # run from its source folders
        return ""


def tracer() -> Tracer:
    """The tracer, while it is `on`."""
    found: Tracer = _tracer
    return found
