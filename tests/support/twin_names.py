"""What the hubs of random steps have: the names of all that is in them, and what there is at first."""

from __future__ import annotations

from typing import Any

from stead.transport import TaskLimit

PARTITIONS = 3
TARGETS = ("@e@a", "@e@å", "@f@")
INSTANCES = ("i", "å")
TASKS = {b"t": "q", b"u": "r", b"\xff": "q", b"l": "q", b"m": "q", b"n": "r", b"o": "r"}
"""By the queue of each: a task never changes it."""
LIMITS = {
    b"l": TaskLimit("one", "1:0:0", "i"),
    b"m": TaskLimit("one", "1:0:0", "j", 7),
    b"n": TaskLimit("two", "2:0:0", "i"),
    b"o": TaskLimit("seldom:a", "0:86400000000000:0", "i"),
}
QUEUES = ("q", "r")
FAR_MS = 4_000_000_000_000

BEGINNING: dict[str, Any] = {
    "states": {"@e@a": b"a", "@f@": b""},
    "created": ["@e@a", "@f@"],
    "timers": {b"1": 1, b"2": 2, b"3": 3, b"far": FAR_MS},
    "replies": [(0, "c", b"0"), (1, "d", b"1")],
    "dead": [b"0", b"1"],
    "blocked": {"@f@": "why"},
    "instances": {"i": b"\x00"},
    "logs": [("i", [b"1", b"2"], False)],
    "tasks": {b"t": (True, b"t"), b"u": (False, b"u")},
    "starts": [(0, "å", b"m", b"start", 0)],
}
