"""A target whose loading, or whose turns, end its workers: what its block says, and who may look at it again (HAZARDS 20).

Its messages wait, as those of any blocked target. What is stored of it did not change meanwhile, so the same program would
end on it again: its block names the *programs* whose workers ended, and a worker leaves it alone if its own is among them.
One with another program (mended code, another version of a library or of Python) looks again, once: it goes carefully from
the start, and if it ends too, its program is named as well. Programs are named in what people read, since workers of
earlier versions have to understand it too: to them it is a reason as any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PROGRAMS_MAX = 8  # named; several share a hub while a deployment is under way
_SAYS = re.compile(r"^its (?:loading|turns) ended (\d+) workers \(of programs ([0-9a-f]+(?:, [0-9a-f]+)*)\)")


def reason_of(deaths: int, program: str, before: str | None, *, turns: bool = False) -> str:
    """Why the messages of a target wait by whose loading (or `turns`) so many workers of a program ended. `before`: why
    they did."""
    found = None if before is None else _SAYS.match(before)
    programs = [program]
    if found is not None:
        deaths += int(found[1])
        programs = [*(other for other in found[2].split(", ") if other != program), program]
    named = f"{deaths} workers (of programs {', '.join(programs[-_PROGRAMS_MAX:])})"
    if turns:
        return (
            f"its turns ended {named}: its code, or a library that it uses, ends the process, or holds it for too long, when "
            "an activity's result or other code wakes it; mend that and deploy it: workers with another program go on with it"
        )
    return (
        f"its loading ended {named}: its `migrate`, a validator or a library that reads its state or history ends the "
        "process, or holds it for too long; workers with another program look at it again"
    )


def is_deadly(reason: str | None) -> bool:
    """Whether a block says that workers ended by its target."""
    return reason is not None and _SAYS.match(reason) is not None


def is_deadly_for(program: str, reason: str | None) -> bool:
    """Whether a block says that workers of this program ended by its target."""
    found = None if reason is None else _SAYS.match(reason)
    return found is not None and program in found[2].split(", ")


def looked_at_again(blocked: Mapping[str, str], program: str) -> list[str]:
    """The targets that ended workers of other programs only."""
    return [target for target, reason in blocked.items() if is_deadly(reason) and not is_deadly_for(program, reason)]
