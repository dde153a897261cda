"""Whether anybody wants to know: an SDK of OpenTelemetry is set up, or not.

    switch.on       what hot paths ask, for messages, slices and turns
    switch.look()   what is done now and then (by each read of an inbox, each request of a client): is there one by now?

The API's own calls would do nothing without an SDK, too, but each would cost as much as an operation does.

Processors, samplers and exporters are the program's, and the SDK lets out what they raise. `start_span` and `tell` do not: what
goes wrong with the telling is said in the log, and the work goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from stead.transport import get_logger
from stead.transport.describing import qualified_name, text_of_error

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_log = get_logger("stead.tracing")

on = False
_provider: Any = None  # that of which the tracer is
_tracer: Any = None
_said: set[str] = set()  # of what kinds the troubles were that the log has


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


def sampler() -> Any:
    """That of the tracer, while it is `on`; None if it has none."""
    return getattr(_tracer, "sampler", None)


def start_span(*given: Any, **options: Any) -> Span:
    """A span, while it is `on`; one that nobody is told of if that fails. Takes what the tracer's own method takes."""
    try:
        span: Span = _tracer.start_span(*given, **options)
    except Exception as error:  # noqa: BLE001 - see the module's head
        from opentelemetry.trace import INVALID_SPAN

        _say(error)
        return INVALID_SPAN
    return span


def tell(what: Callable[..., object], *given: Any) -> None:
    """Call a span's method."""
    try:
        what(*given)
    except Exception as error:  # noqa: BLE001 - see the module's head
        _say(error)


def _say(error: Exception) -> None:
    name = qualified_name(type(error))
    if name not in _said:
        _said.add(name)
        _log.error(
            "what OpenTelemetry was told of came to nothing: %s; a processor, sampler or exporter of this program has raised it "
            "(further ones of this type are not logged)",
            text_of_error(error),
            exc_info=error,
        )
