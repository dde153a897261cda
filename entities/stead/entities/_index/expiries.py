"""How long entities live that nobody uses, as a hub's catalogue knows it (HAZARDS 103, 104).

Of each kind that expires, and of each time after which it does, every partition has a set: its entities by when they are due. The set is
another one if the time is another one, and is built as an index is. So a due time only rises, and who writes it need not know the last one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stead.transport import TIMED, pack

CODE = "expiry"
"""In the catalogue, in the place of the type of an index's values."""


@dataclass(frozen=True, slots=True)
class KindExpiry:
    """That entities of a kind expire when they have not been used for so long."""

    kind: str  # canonical
    expires_ms: int
    name: str = field(init=False)  # in the catalogue, and of its sets

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{TIMED}{self.expires_ms}.{self.kind}")

    @property
    def later_ms(self) -> int:
        """For how long a use keeps an entity: a tenth more, within which nothing has to be written."""
        return self.expires_ms + self.step_ms

    @property
    def step_ms(self) -> int:
        """The least for which an end is put off."""
        return max(1, self.expires_ms // 10)

    def describe(self) -> bytes:
        """What the catalogue holds."""
        return pack([self.kind, "", CODE, False, self.expires_ms])

    def member(self, target: str) -> bytes:
        """An entity of the kind, as the set has it: its key."""
        return target[len(self.kind) + 2 :].encode("utf-8", "surrogateescape")

    def target(self, member: bytes) -> str:
        """The entity of a member."""
        return f"@{self.kind}@{member.decode('utf-8', 'surrogateescape')}"
