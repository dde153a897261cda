"""What a partition needs of the world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from stead.entities._index.catalogue import NOTHING, Catalogue
from stead.entities._measures.measures import Measures
from stead.entities._message.shards import LatestSpreads
from stead.transport import Settings

from .activation import Kind
from .blame import Blame
from .hops import Hops


@dataclass(slots=True)
class Environment:
    """What a partition needs of the world, handed in so that tests can choose it."""

    settings: Settings
    partitions: int
    find_kind: Callable[[str], Kind]  # raises Blocked for a kind that this worker does not know
    now_ms: Callable[[], int]
    elapsed: Callable[[], float]
    draw: Callable[[int], bytes]  # random bytes
    pack_each_turn: Callable[[str], None]  # a state of this target could not be stored: find the operation at fault
    program: str = "0"  # the name of the code that runs here: see `deadly`
    hops: Hops | None = None  # what is handed over in memory: none, if nothing is
    catalogue: Catalogue = NOTHING  # the one that partitions have adopted when they are held
    blame: Blame = field(default_factory=Blame)  # turns that failed in stead itself
    latest_spreads: LatestSpreads = field(default_factory=LatestSpreads)  # of kinds over shards
    measures: Measures = field(default_factory=Measures)  # what this worker does, counted and timed
