"""What is shown of the aggregates in plain data, where no class says what they are."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, cast

from .base import PREFIX, Aggregate, read_aggregate


def summarized(data: object, *, raw: bool = False) -> Any:
    """Plain data of a state, with a summary in place of each aggregate; `raw`: with all its bytes, as base64.

    What cannot be read here, for want of a library or since a later version wrote it, stays as it is stored.
    """
    return _shown(data, _bytes if raw else _summary)


def _shown(data: object, show: Callable[[Aggregate], object]) -> Any:
    if isinstance(data, Aggregate):
        return show(data)
    if isinstance(data, Mapping):
        mapping = cast("Mapping[object, object]", data)
        if len(mapping) == 1 and str(next(iter(mapping))).startswith(PREFIX):
            try:
                return show(read_aggregate(dict(mapping)))
            except (ValueError, ImportError):
                pass
        return {name: _shown(value, show) for name, value in mapping.items()}
    if isinstance(data, list | tuple):
        return [_shown(value, show) for value in cast("list[object]", data)]
    return data


def _summary(aggregate: Aggregate) -> object:
    return aggregate.summary()


def _bytes(aggregate: Aggregate) -> object:
    return base64.b64encode(aggregate.to_bytes()).decode()
