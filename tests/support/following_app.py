"""An app whose changes are followed, and one reader of them as a process: `python following_app.py cursor|group FILE`.

What a reader has dealt with is a line of its file, written before it says that it is done. It goes on behind its last line, however it ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

from stead.app import App, Settings
from stead.entities import Entity

GROUP = "readers"

app = App("following", settings=Settings(partitions=8, slot_groups=2, changes_poll_ms=20))


@app.entity(name="Tally", changes=timedelta(days=2))
class FollowedTally(Entity):
    """Counts messages."""

    count: int = 0

    def record(self, number: int) -> None:
        """Whatever its number."""
        self.count += 1


async def read(mode: str, path: Path) -> None:
    """Follow the changes until the end of the process."""
    last = lines_of(path)[-1:]
    with path.open("a") as file:
        async with app.connect() as client:
            if mode == "group":
                changes = client.changes(FollowedTally, group=GROUP, start="oldest")
            else:
                changes = client.changes(FollowedTally, after=last[0]["cursor"] if last else "oldest")
            async for change in changes:
                count = 0 if change.state is None else change.state.count
                line = {"key": change.entity_id.key, "count": count, "cursor": change.cursor}
                file.write(f"\n{json.dumps(line)}")
                file.flush()
                if mode == "group":
                    await change.done()


def lines_of(path: Path) -> list[dict[str, str]]:
    """What a reader has written: all but what it was killed in the middle of."""
    found: list[dict[str, str]] = []
    for line in path.read_text().split("\n") if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


if __name__ == "__main__":
    asyncio.run(read(sys.argv[1], Path(sys.argv[2])))
