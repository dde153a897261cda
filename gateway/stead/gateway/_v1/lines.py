"""A body of lines, as it comes: whole lines out of pieces of any length, and no line longer than may be in memory."""

from __future__ import annotations


class Lines:
    """Takes the pieces of a body and gives its lines, without their ends; None for a line that was too long."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._begun: list[bytes] = []  # pieces of the line that has not ended
        self._begun_size = 0
        self._skipping = False  # that line is too long already

    def feed(self, piece: bytes) -> list[bytes | None]:
        """The lines that end in a piece."""
        if b"\n" not in piece:
            self._keep(piece)
            return []
        first, *rest = piece.split(b"\n")
        last = rest.pop()
        self._keep(first)
        lines: list[bytes | None] = [self._take()]
        if len(piece) > self._limit:
            lines += [line if len(line) <= self._limit else None for line in rest]
        else:
            lines += rest
        self._keep(last)
        return lines

    def end(self) -> list[bytes | None]:
        """The last line, if the body does not end with the end of one."""
        return [self._take()] if self._begun or self._skipping else []

    def _keep(self, piece: bytes) -> None:
        if not piece or self._skipping:
            return
        self._begun.append(piece)
        self._begun_size += len(piece)
        if self._begun_size > self._limit + 1:  # there may be a carriage return at its end
            self._begun.clear()
            self._skipping = True

    def _take(self) -> bytes | None:
        skipped, self._skipping = self._skipping, False
        begun, self._begun, self._begun_size = self._begun, [], 0
        if skipped:
            return None
        return begun[0] if len(begun) == 1 else b"".join(begun)
