"""The activities and orchestrations that an app knows, by name without regard to case, and orchestrations by version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stead.entities import InvalidDefinition
from stead.entities.extending import ARGUMENTS, within_bounds
from stead.transport import Settings

from .activity import Activity
from .awaited_events import awaited_events
from .orchestration import Orchestration
from .versions import Key, choose_code, version_key


class OrchestrationRegistry:
    """What is registered on an app. The settings say which version of an orchestration runs which instance."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = Settings() if settings is None else settings
        self._activities: dict[str, Activity[..., Any]] = {}
        self._orchestrations: dict[str, dict[Key, Orchestration[Any, Any]]] = {}
        self._schedules: dict[str, Any] = {}  # None: begun

    def add_activity(self, activity: Activity[..., Any]) -> None:
        """Register an activity. Raises `InvalidDefinition` if its name is taken."""
        other = self._activities.get(activity.canonical)
        if other is not None:
            raise InvalidDefinition(
                f"activity {activity.name!r}",
                f"{other.name!r} is registered already, and names are compared without regard to case; "
                'rename one with @app.activity(name="…")',
            )
        self._activities[activity.canonical] = activity

    def add_orchestration(self, orchestration: Orchestration[Any, Any]) -> None:
        """Register an orchestration. Raises `InvalidDefinition` if its name is taken with the same version."""
        versions = self._orchestrations.setdefault(orchestration.canonical, {})
        other = versions.get(version_key(orchestration.version))
        if other is not None:
            version = "without a version" if other.version is None else f"as version {other.version!r}"
            raise InvalidDefinition(
                f"orchestration {orchestration.name!r}",
                f"{other.name!r} is registered already {version}, and names are compared without regard to case; rename "
                'one with @app.orchestration(name="…"), or give it another version',
            )
        versions[version_key(orchestration.version)] = orchestration

    def begin_schedule(self, name: str) -> None:
        """Register a schedule that is not yet told what to run. Raises `InvalidDefinition` if its name is taken."""
        if name in self._schedules:
            raise InvalidDefinition(f"schedule {name!r}", "it is declared already: rename one of them")
        self._schedules[name] = None

    def add_schedule(self, name: str, declared: Any) -> None:
        """It has been told."""
        self._schedules[name] = declared

    def schedules(self) -> dict[str, Any]:
        """All that are declared, by name. Raises `InvalidDefinition` if one was not told what to run."""
        for name, declared in self._schedules.items():
            if declared is None:
                raise InvalidDefinition(
                    f"schedule {name!r}",
                    "say what it runs: `.start_new(…)` or `.signal_entity(…)` after app.schedule(…)",
                )
        return dict(self._schedules)

    # -- looking up ----------------------------------------------------------------------------------------------------

    def activity(self, name: str) -> Activity[..., Any] | None:
        """The activity of a name."""
        return self._activities.get(name.lower())

    def orchestration(self, name: str, version: str | None = None) -> Orchestration[Any, Any] | None:
        """The code for an instance of that name and version, by `settings.version_match` (see `versions`).

        None if none of what is registered may run it.
        """
        codes = self._orchestrations.get(name.lower())
        if not codes:
            return None
        return choose_code(codes, version, self._settings.version_match, self._settings.default_version)

    def find(self, name: str, version: str | None = None) -> Orchestration[Any, Any] | None:
        """What a caller means by a name: the definition of exactly that version, if a version is given.

        Without one: that of `settings.default_version`, else the one without a version, else the newest. None if it is not
        registered here.
        """
        codes = self._orchestrations.get(name.lower())
        if not codes:
            return None
        default = self._settings.default_version
        unversioned = codes.get(version_key(None))
        if version:
            found = codes.get(version_key(version))
            return unversioned if found is None and version_key(version) == version_key(default) else found
        if default and version_key(default) in codes:
            return codes[version_key(default)]
        return unversioned if unversioned is not None else codes[max(codes)]

    def knows(self, name: str) -> bool:
        """Whether any version of an orchestration is registered."""
        return name.lower() in self._orchestrations

    # -- listing -------------------------------------------------------------------------------------------------------

    def activities(self) -> list[Activity[..., Any]]:
        """All activities, by name."""
        return [self._activities[name] for name in sorted(self._activities)]

    def orchestrations(self) -> list[Orchestration[Any, Any]]:
        """All orchestrations, by name and version."""
        return list(self._all())

    def activity_names(self) -> list[str]:
        """The names of all activities, as they were given."""
        return [activity.name for activity in self.activities()]

    def orchestration_names(self) -> list[str]:
        """The names of all orchestrations, as they were given, each once."""
        return list(dict.fromkeys(orchestration.name for orchestration in self._all()))

    def published(self) -> Mapping[str, Mapping[str, Any]]:
        """What a worker publishes: "activity/NAME", "orchestration/NAME", "orchestration/NAME@VERSION", in small letters."""
        names: dict[str, dict[str, Any]] = {}
        for activity in self.activities():
            described: dict[str, Any] = {"name": activity.name, "queue": activity.queue}
            if activity.limits is not None:
                limits = activity.limits
                described |= {"concurrency": limits.concurrency, "rate": limits.rate, "per_key": limits.key is not None}
            names[f"activity/{activity.canonical}"] = described
        for orchestration in self._all():
            key = f"orchestration/{orchestration.canonical}"
            known = names.setdefault(
                key, {"name": orchestration.name, "versions": [], ARGUMENTS: self._asks(orchestration.name)}
            )
            known["versions"].append(orchestration.version or "")
            if orchestration.version is not None:
                described = {"name": orchestration.name, "version": orchestration.version}
                names[f"{key}@{orchestration.version.lower()}"] = described
        return names

    def _asks(self, name: str) -> dict[str, Any]:
        """For forms: the input that is given to one that is started by its name, and the events that any version waits for."""
        meant = self.find(name)
        events: dict[str, Any] = {}
        for orchestration in self._orchestrations[name.lower()].values():
            for event, schema in awaited_events(orchestration.function).items():
                events[event] = schema if events.get(event, schema) == schema else {}
        return {
            "input": None if meant is None else within_bounds(meant.described_input()),
            "events": within_bounds(events) or {},
        }

    def _all(self) -> Iterator[Orchestration[Any, Any]]:
        for name in sorted(self._orchestrations):
            versions = self._orchestrations[name]
            yield from (versions[key] for key in sorted(versions))
