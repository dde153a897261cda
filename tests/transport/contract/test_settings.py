"""Settings: where they come from, and that each has a unit, a bound and a reason."""

from __future__ import annotations

import ast
import inspect
import re
from itertools import pairwise

import pytest
from pydantic import ValidationError

from stead.transport import Settings

UNITS = re.compile(r"(_ms|_ms_max|_bytes_max|_length_max|_page_length)$")

# Counts whose name is their unit, switches and choices, and a `timedelta`, which has its unit itself.
UNITLESS = {
    "partitions", "slot_groups", "activations_max", "dead_letters_max", "calls_in_flight_max", "timers_fire_max",
    "turn_sends_max", "turn_calls_max", "poison_tries_max", "replay_every_turn", "replicas_ack", "embedded_fsync", "default_version",
    "version_match", "determinism", "activities_running_max", "activity_threads_max", "activity_tries_max",
    "catch_up_runs_max", "changes_group_keep", "garbage_collection", "payload_codec", "large_payloads", "local_hops", "indexes_max", "reminders_max", "query_results_max", "check_queries", "on_nondeterminism",
}  # fmt: skip


def reasons() -> dict[str, str]:
    """What stands below each setting, where the reference has it from."""
    (definition,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in pairwise(definition.body):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
            found[ast.unparse(field.target)] = str(ast.literal_eval(below.value))
    return found


def test_each_has_its_reason() -> None:
    found = reasons()
    assert found.keys() == Settings.model_fields.keys()
    assert {name for name, reason in found.items() if len(reason) <= 30} == set()


def test_each_has_its_unit_in_its_name() -> None:
    without = {name for name in Settings.model_fields if not UNITS.search(name)}
    assert without == UNITLESS & set(Settings.model_fields)


def test_an_argument_wins_over_the_environment_which_wins_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEAD_LEASE_MS", "4000")
    monkeypatch.setenv("STEAD_REPLAY_EVERY_TURN", "true")
    assert Settings().lease_ms == 4_000
    assert Settings().replay_every_turn
    assert Settings(lease_ms=5_000).lease_ms == 5_000
    assert Settings().partitions == 64


@pytest.mark.parametrize(
    "wrong",
    [
        {"partitions": 0},
        {"partitions": 1_025},
        {"slot_groups": 0},
        {"lease_ms": 10},
        {"payload_bytes_max": -1},
        {"batch_length_max": 0},
        {"embedded_fsync": "no"},
        {"lease_s": 10},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Settings.model_validate(wrong)


def test_they_do_not_change() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.__setattr__("lease_ms", 1)
