"""What stead does in tasks of its own begins with the next iteration of the event loop, whatever the application has set there."""

from __future__ import annotations

import re

from house.test_tidy import PACKAGES, REPO, name_of

# These have an event loop that is not an application's: processes of stead's own, tests by its plugin, and orchestrators.
OWN_LOOPS = ("app/stead/app/_commands/", "app/stead/app/_pytest/", "orchestrations/stead/orchestrations/_execution/")
_MADE = re.compile(r"\bcreate_task\(|\bensure_future\(self\._\w+\(")


def test_no_part_is_begun_by_the_applications_task_factory() -> None:
    """One that runs the first step at once (`asyncio.eager_task_factory`) would do so in the middle of what begins the part."""
    files = [path for package in PACKAGES for path in sorted((REPO / package / "stead").rglob("*.py"))]
    made = [
        f"{name_of(path)}: {line.strip()}"
        for path in files
        if not name_of(path).startswith(OWN_LOOPS)
        for line in path.read_text("utf-8").splitlines()
        if _MADE.search(line.partition("#")[0]) and '"create_task"' not in line
    ]
    assert not made, "begin_task is for these"
