"""Field types that take many values in little room: `Tally`, `Windowed`, and sketches of Apache DataSketches.

They are part of an entity's state as any other field, alone or in lists, dictionaries and models: what an operation that fails
has added is undone, and what is stored does not grow with the number of values.
"""

from __future__ import annotations

from ._aggregates.base import Aggregate
from ._aggregates.distinct import Distinct
from ._aggregates.quantiles import Quantiles
from ._aggregates.shown import summarized
from ._aggregates.sketch import SketchesMissing
from ._aggregates.tally import Tally
from ._aggregates.top_items import TopItems
from ._aggregates.window import Windowed, windowed

__all__ = [
    "Aggregate",
    "Distinct",
    "Quantiles",
    "SketchesMissing",
    "Tally",
    "TopItems",
    "Windowed",
    "summarized",
    "windowed",
]
