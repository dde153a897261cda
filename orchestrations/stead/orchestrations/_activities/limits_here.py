"""What the code of this worker says of the limits of activities: declared to the hub, and put before what came without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stead.orchestrations._history.failures import FailureDetails
from stead.transport import DeclaredLimit, InvalidInput, TaskLimit

from .job import Job, Outcome, Runnable, Stage


class LimitsHere:
    """The limits that this worker knows."""

    def __init__(self, declared: Sequence[DeclaredLimit], find: Callable[[str], Runnable | None]) -> None:
        """`declared`: of the activities of the queues that it serves. `find` gives the activity of a name."""
        self._declared = declared
        self._find = find
        self._said: set[str] = set()  # to which queues: others may have joined since then

    def said_to(self, queues: Sequence[str]) -> tuple[list[DeclaredLimit], bool]:
        """What is said to some queues, and whether it counts more than what others have said: at the first time."""
        return [limit for limit in self._declared if limit.queue in queues], not self._said.issuperset(queues)

    def heard(self, queues: Sequence[str]) -> None:
        """They know it now."""
        self._said.update(queues)

    def numbers(self, name: str) -> str:
        """What an activity's limits allow, as it is stored; "" if that is not known here."""
        activity = self._find(name)
        return "" if activity is None or activity.numbers is None else activity.numbers.text

    def behind(self, jobs: Sequence[Job], fail: Callable[[Job, Outcome], None]) -> dict[bytes, TaskLimit]:
        """Behind which limits jobs belong that came without one. One of which that cannot be told fails."""
        found: dict[bytes, TaskLimit] = {}
        for job in jobs:
            try:
                limit = _limit_of(job)
            except InvalidInput as error:
                fail(job, Outcome(False, FailureDetails.of(error).final().as_map()))
                continue
            if limit is not None:
                found[job.key] = limit
        return found


def _limit_of(job: Job) -> TaskLimit | None:
    activity = job.activity
    if activity is None or activity.numbers is None or job.stage is not Stage.WAITING:
        return None
    limit = activity.limit_of(job.args, job.kwargs)
    return None if limit is None else TaskLimit(limit, activity.numbers.text, job.context.instance_id)
