"""The commands for entities and the hub, with a worker running, as people and as machines read them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from stead.app import App
from stead.app._commands import entities
from stead.entities import EntityId
from support.user_folder import Stead, WorkerThread, eventually

pytestmark = pytest.mark.usefixtures("worker")


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_signal_is_accepted_and_its_effect_can_be_read(stead: Stead) -> None:
    done = stead("signal", "Station", "oslo", "record", "-3.5", "--kw", "note=cold")
    assert (done.status, done.out, done.err) == (0, "", "accepted: record for @station@oslo\n")
    assert stead("call", "station", "oslo", "MEAN").out == "-3.5\n"
    state = stead("state", "STATION", "oslo")
    assert json.loads(state.out) == {"count": 1, "total": -3.5, "notes": {"cold": "cold"}}
    assert lines(stead("state", "station", "oslo", "--json").out) == [
        {"entity_id": "@station@oslo", "name": "Station", "key": "oslo", "state": json.loads(state.out)}
    ]


def test_a_state_is_shown_with_its_reminders(stead: Stead) -> None:
    stead("call", "Station", "clock", "remind")
    shown = stead("state", "Station", "clock")
    assert (shown.status, shown.out) == (0, "") and shown.err.startswith("reminder check: 2200-01-01")
    [line] = lines(stead("state", "Station", "clock", "--json").out)
    assert (line["state"], line["reminders"]) == (None, {"check": "2200-01-01T00:00:00+00:00"})
    stead("call", "Station", "clock", "delete")
    assert stead("state", "Station", "clock").status == 1


def test_results_are_printed_as_they_are(stead: Stead) -> None:
    assert stead("call", "Station", "x", "label", "two words").out == "two words\n"
    assert stead("call", "Station", "x", "mean").out == ""
    assert stead("call", "Station", "x", "photo").out == "_wA=\n"
    assert lines(stead("call", "Station", "x", "mean", "--json").out) == [
        {"entity_id": "@station@x", "operation": "mean", "result": None}
    ]


def test_a_number_is_text_where_the_operation_wants_text(stead: Stead) -> None:
    assert stead("call", "Station", "x", "label", "007").out == "007\n"
    assert stead("call", "Station", "x", "label", "7").out == "7\n"
    assert stead("call", "Station", "x", "label", "--kw", "text=true").out == "true\n"
    assert stead("call", "Station", "x", "label", "--", "--json").out == "--json\n"


def test_the_function_form_takes_json(stead: Stead) -> None:
    assert stead("call", "Switch", "light", "set", "false").out == "false\n"
    assert stead("state", "Switch", "light").out == "false\n"


def test_scheduled_signals_arrive_later(stead: Stead) -> None:
    assert stead("signal", "Station", "a", "record", "1", "--after", "50ms").status == 0
    assert stead("signal", "Station", "a", "record", "2", "--at", "2020-01-01T00:00:00Z").status == 0
    eventually(lambda: '"count": 2' in stead("state", "Station", "a").out)


def test_failures_are_one_line_and_status_1(stead: Stead, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    for arguments, said in [
        (
            ("call", "Station", "x", "fail"),
            "operation 'fail' of @station@x raised ValueError: no \N{REPLACEMENT CHARACTER}[31mway",
        ),
        (("call", "Station", "x", "recrd"), "has no operation 'recrd'; it has: block, delete, fail, label"),
        (("signal", "Station", "x", "record", "warm"), "argument 'celsius' of Station.record"),
        (("signal", "Station", "x", "record"), "celsius"),
        (("signal", "Ship", "x", "sail"), "no entity named"),
        (("state", "Station", "nowhere"), "@station@nowhere has no state; `stead entities"),
        (("state", "Ship", "x"), "no entity named"),
        (("entities", "Ship"), "no entity named"),
        (("signal", "St@tion", "x", "record", "1"), "entity name 'St@tion'"),
        (("signal", "Station", "x\ny", "record", "1"), "control characters"),
        (("call", "Station", "y", "wait_for", str(gate), "--timeout", "50ms"), f"see `stead info {stead.reference}`"),
    ]:
        done = stead(*arguments)
        assert (done.status, done.out) == (1, ""), arguments
        assert done.err.startswith("error: "), done.err
        assert done.err.count("\n") == 1, done.err
        assert said in done.err
    gate.touch()


def test_failures_are_objects_for_machines(stead: Stead) -> None:
    done = stead("call", "Station", "x", "fail", "--json")
    assert done.status == 1
    assert json.loads(done.err)["error"]["type"] == "OperationFailed"


def test_a_traceback_is_shown_on_demand(stead: Stead) -> None:
    offered = stead("call", "Station", "x", "fail").err
    assert "Traceback" not in offered and "; --debug shows the worker's traceback" in offered
    shown = stead("call", "Station", "x", "fail", "--debug").err
    assert "Traceback" in shown and ", in fail" in shown, "the operation's own lines, not only the client's"
    assert "--debug" not in shown.replace('"--debug"', "")


def test_a_call_that_is_not_answered_says_what_stands_in_its_way(stead: Stead, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waits = stead("call", "Station", "x", "wait_for", str(gate), "--timeout", "50ms")
    gate.touch()
    assert waits.status == 1
    assert "calling 'wait_for' of @station@x: no answer within 0.05 s" in waits.err
    assert "an operation of it takes long" in waits.err and "whether a worker runs" not in waits.err


def test_entities_are_listed_with_a_prefix_and_a_limit(stead: Stead) -> None:
    for key in ("oslo", "ostrava", "paris", ""):
        assert stead("call", "Station", key, "record", "1").status == 0
    found = lines(stead("entities", "Station", "--json").out)
    assert [line["key"] for line in found] == ["", "oslo", "ostrava", "paris"]
    assert [line["key"] for line in lines(stead("entities", "Station", "--prefix", "os", "--json").out)] == [
        "oslo",
        "ostrava",
    ]
    listed = stead("entities", "station", "--limit", "2")
    assert "oslo" in listed.out
    assert "paris" not in listed.out
    assert '""' in listed.out
    assert listed.err == "the first 2 Station entities; --limit shows more\n"
    assert stead("entities", "Station", "--prefix", "p").err == "1 Station entity whose key begins with 'p'\n"
    assert stead("entities", "Station", "--prefix", "z").err == "no Station entities whose key begins with 'z'\n"


def test_kinds_are_counted(stead: Stead) -> None:
    stead("call", "Station", "oslo", "record", "1")
    found = {line["name"]: line for line in lines(stead("entities", "--json").out)}
    assert (found["Station"]["entities"], found["Switch"]["entities"]) == (1, 0)
    assert "Station" in stead("entities").out


def test_info_shows_the_hub(stead: Stead, worker: WorkerThread) -> None:
    stead("call", "Station", "oslo", "record", "1")
    shown = stead("info", "--partitions").out
    for text in ("weather", "4 partitions", "survives any crash", worker.worker.name, "record", "Switch"):
        assert text in shown
    assert all(len(line.rstrip()) <= 80 for line in shown.splitlines())
    data = json.loads(stead("info", "--json").out)
    assert data["hub"]["partitions"] == len(data["partitions"]) == 4
    assert {partition["owner"] for partition in data["partitions"]} == {worker.worker.name}
    assert data["total"]["entities"] == 1
    assert datetime.fromisoformat(data["time"]).timestamp() * 1000 == data["time_ms"]
    assert all(datetime.fromisoformat(worker["last_beat_time"]).tzinfo for worker in data["workers"])
    assert datetime.fromisoformat(data["hub"]["created_time"]).timestamp() * 1000 == data["hub"]["created_ms"]
    assert data["server"]["durable"] == "always"
    assert set(data["names"]) == {"light", "station", "switch"}


def test_schedules_are_listed_shown_paused_run_and_deleted(stead: Stead) -> None:
    assert stead("schedules").err == "no schedules\n"
    with stead.app.connect_sync(stead.url) as client:
        making = client.schedules.create("nightly", cron="0 3 * * *", timezone="Europe/Oslo")
        making.signal_entity(EntityId("Station", "planned"), "record", 1.0)
    (line,) = lines(stead("schedules", "--json").out)
    assert (line["schedule"], line["cron"], line["entity_id"]) == ("nightly", "0 3 * * *", "@station@planned")
    listed = stead("schedules")
    assert "0 3 * * *" in listed.out and listed.err == "1 schedule\n"
    assert stead("schedules", "pause", "nightly").err == "nightly: paused\n"
    assert "paused" in stead("schedules", "show", "nightly").out
    assert stead("schedules", "resume", "nightly").err == "nightly: goes on\n"
    assert stead("schedules", "trigger", "nightly", "--json").out == '{"schedule": "nightly", "instance_id": null}\n'
    eventually(lambda: '"count": 1' in stead("state", "Station", "planned").out)
    assert stead("schedules", "delete", "nightly").err == "nightly: deleted\n"
    gone = stead("schedules", "delete", "nightly")
    assert (gone.status, "does not exist" in gone.err) == (1, True)
    assert stead("schedules", "list", "nightly").status == 2
    assert stead("schedules", "show").status == 2


def test_who_deletes_a_declared_schedule_hears_that_it_comes_back(stead: Stead) -> None:
    app = App(stead.app.name)
    app.schedule("nightly", cron="0 3 * * *").signal_entity(EntityId("Station", "planned"), "record", 1.0)
    declaring = WorkerThread(app, stead.url)
    try:
        eventually(lambda: "nightly" in stead("schedules").out)
        assert "the next worker that declares it makes it again" in stead("schedules", "delete", "nightly").err
    finally:
        declaring.end()


def test_dead_letters_are_listed_shown_sent_again_and_dropped(stead: Stead) -> None:
    assert stead("dead-letters").err == "no dead letters\n"
    stead("signal", "Station", "oslo", "fail")
    eventually(lambda: stead("dead-letters", "--json").out)
    (letter,) = lines(stead("dead-letters", "--json").out)
    assert (letter["entity_id"], letter["operation"], letter["error_type"]) == ("@station@oslo", "fail", "ValueError")
    listed = stead("dead-letters")
    assert ("ValueError: no" in listed.out, listed.err) == (True, "1 dead letter\n")
    assert "def fail" not in stead("dead-letters", "show", letter["id"]).err
    assert "raise ValueError" in stead("dead-letters", "show", letter["id"]).out
    assert "1 dead letter; see them" in stead("info").out
    assert stead("dead-letters", "resend", letter["id"]).err == "1 sent again\n"
    eventually(lambda: stead("dead-letters", "--json").out)
    (again,) = lines(stead("dead-letters", "list", "--json").out)
    assert again["id"] != letter["id"]
    assert (
        stead("dead-letters", "drop", letter["id"]).err == f"error: there is no dead letter {letter['id']} (any more)\n"
    )
    assert stead("dead-letters", "drop", "--all").err == "1 dropped\n"
    assert stead("dead-letters", "show", "nonsense").status == 1


def test_a_fresh_hub_without_workers_takes_signals_and_says_so(stead: Stead, worker: WorkerThread) -> None:
    worker.end()
    assert stead("signal", "Station", "oslo", "record", "1").status == 0
    shown = stead("info").out
    assert f"no worker is running; 1 message waits; start one: stead worker {stead.reference}" in " ".join(
        shown.split()
    )
    done = stead("call", "Station", "oslo", "mean", "--timeout", "50ms")
    assert (done.status, "no answer within 0.05 s" in done.err) == (1, True)
    assert str(EntityId("Station", "oslo")) in done.err


def test_sql_answers_as_a_table_and_as_json(stead: Stead) -> None:
    for key, celsius in (("a", "1"), ("b", "2"), ("c", "3")):
        stead("call", "Station", key, "record", celsius)
    done = stead("sql", "select count(*) n, sum(total) t from station where total > 1")
    assert (done.status, done.err) == (0, "1 row\n") and done.out.split() == [
        "n",
        "t",
        *done.out.split()[2:3],
        "2",
        "5.0",
    ]
    query = "select _key, total, notes from Station order by 1"
    assert lines(stead("sql", query, "--json").out)[0] == {"_key": "a", "total": 1.0, "notes": "{}"}
    assert lines(stead("sql", "select sum(count) s from Station", "--json").out) == [{"s": 3}]
    assert stead("sql", query, "--limit", "9" * 30).err == "3 rows\n"
    cut = stead("sql", query, "--limit", "2")
    assert cut.err == "3 rows; the first 2 are shown, --limit shows more\n" and "c " not in cut.out
    wrong = stead("sql", "select nope from Station")
    assert wrong.status == 1 and "nope" in wrong.err and wrong.err.count("\n") == 1


def test_entities_are_exported_into_files(stead: Stead) -> None:
    stead("call", "Station", "a", "record", "1")
    done = stead("export", "station", "--to", "stations.jsonl")
    assert (done.status, done.err) == (0, "1 entity in stations.jsonl\n")
    assert lines((stead.folder / "stations.jsonl").read_text()) == [
        {"_key": "a", "count": 1, "total": 1.0, "notes": {}}
    ]
    assert lines(stead("export", "Station", "--to", "x.csv", "--json").out) == [{"file": "x.csv", "entities": 1}]
    assert stead("export", "Station", "--to", "x.xls").status == 1


def test_changes_are_followed_from_a_cursor_on(stead: Stead) -> None:
    stead("call", "Station", "a", "record", "1")
    refused = stead("changes", "Station", "--after", "oldest", "--limit", "1")
    assert refused.status == 1 and "changes=timedelta" in refused.err
    for number in (1, 2, 3):
        stead("call", "Light", "l", "turn", str(number))
    first, second = lines(stead("changes", "light", "--after", "oldest", "--limit", "2", "--json").out)
    assert (first["state"], second["state"], first["key"]) == ({"level": 1}, {"level": 2}, "l")
    shown = stead("changes", "Light", "--after", second["cursor"], "--limit", "1")
    assert shown.status == 0 and shown.out.endswith("l  level 3\n")


def test_changes_are_read_as_one_of_a_group(stead: Stead) -> None:
    for number in (1, 2, 3):
        stead("call", "Light", "l", "turn", str(number))
    for number in (1, 2):
        shown = stead("changes", "Light", "--group", "g", "--start", "oldest", "--limit", "1", "--json")
        assert [line["state"] for line in lines(shown.out)] == [{"level": number}]
    [group] = lines(stead("info", "--json").out)[0]["changes_groups"]
    assert (group["entity"], group["group"], group["readers"], group["behind"]) == ("light", "g", 0, 1)
    assert "Groups that read changes" in stead("info").out
    assert stead("changes", "Light", "--group", "g", "--forget").out == "the position of g is forgotten\n"
    unknown = stead("changes", "Light", "--group", "g", "--forget")
    assert unknown.status == 1 and "no group" in unknown.err
    for wrong in (["--forget"], ["--start", "oldest"], ["--group", "g", "--after", "oldest"]):
        assert stead("changes", "Light", *wrong).status == 2


def test_a_call_that_nobody_is_there_to_answer_says_so_before_its_time_is_up(
    stead: Stead, worker: WorkerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entities, "PATIENCE_S", 0.0)
    assert stead("call", "Station", "oslo", "mean").err == ""
    worker.end()
    called = stead("call", "Station", "oslo", "mean", "--timeout", "1s")
    said, error = " ".join(called.err.split()).split("error:")
    assert f"no worker is running: the call waits for one; `stead worker {stead.reference}` starts it" in said
    assert (called.status, "no answer within 1 s" in error) == (1, True)
