"""OpenTelemetry for the commands that go on: `--otlp URL`, or the standard `OTEL_*` variables, set up its SDK.

A module of yours that sets up a provider by itself is left alone: what is yours is not set up again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from urllib.parse import urlsplit

from .faults import CommandFault

SIGNALS = ("TRACES", "METRICS", "LOGS")
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
MISSING = "OpenTelemetry's SDK is needed for it, and is not installed here: pip install 'stead[otel]'"

_log = logging.getLogger("stead.app")


def check_otlp(url: str | None) -> None:
    """Refuse what `--otlp` cannot be, and what it needs and is not there. Raises `CommandFault`."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound:
        raise CommandFault(f"--otlp {url!r} is not the URL of a collector; write http://HOST:4318, say", usage=True)
    if not _has_sdk():
        raise CommandFault(f"--otlp: {MISSING}", usage=True)


def hand_on(url: str | None) -> None:
    """Let the children of this process find what it was given: by the environment, since command lines are public."""
    if url is not None:
        os.environ[ENDPOINT] = url


def wanted(url: str | None) -> dict[str, str]:
    """Which exporter each signal goes to, "otlp" or "console", of those that go anywhere. Raises `CommandFault`."""
    found: dict[str, str] = {}
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return found
    everything = bool(url or os.environ.get(ENDPOINT))
    for signal in SIGNALS:
        named = os.environ.get(f"OTEL_{signal}_EXPORTER", "").strip().lower()
        if not named and (everything or os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")):
            named = "otlp"
        if named not in ("", "none", "otlp", "console"):
            raise CommandFault(
                f"OTEL_{signal}_EXPORTER is {named!r}, and stead sets up `otlp`, `console` or `none`; whatever else there is, "
                "your own module can set up",
                usage=True,
            )
        if named in ("otlp", "console"):
            found[signal] = named
    return found


@contextmanager
def telemetry(service: str, url: str | None) -> Generator[None]:
    """Tell OpenTelemetry what happens in the block, if anybody has asked for it. What is left is sent at the end."""
    signals = wanted(url)
    if signals and not _has_sdk():
        _log.warning("the environment asks for OpenTelemetry (OTEL_*), and nothing is told: %s", MISSING)
        signals = {}
    if not signals:
        yield
        return
    from .exporters import set_up

    endings = set_up(service, url, signals)
    _log.info("telling OpenTelemetry: %s", ", ".join(signal.lower() for signal in signals))
    try:
        yield
    finally:
        _end(endings)


def _end(endings: list[Callable[[], object]]) -> None:
    for end in endings:
        try:
            end()
        except Exception as error:  # noqa: BLE001 - what it could not send is nobody's trouble any more
            _log.warning("OpenTelemetry did not take what was left: %s: %s", type(error).__name__, error)


def _has_sdk() -> bool:
    try:
        for module in ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter"):
            import_module(module)
    except ImportError:
        return False
    return True
