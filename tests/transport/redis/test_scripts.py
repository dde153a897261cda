"""The scripts' files: each says what it takes and gives, and which may run when memory is full."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any, cast, get_args, get_type_hints

import hiredis
import msgpack
import pytest

from stead.transport import Commit, HubLayout, LogWrite, Reply, SentStart, Task, TaskLimit, Timer, Unpark
from stead.transport._redis import commit_signature, signatures
from stead.transport._redis.commit import pack_batch
from stead.transport._redis.keys import KeyNames
from stead.transport._redis.scripts import (
    ADOPT,
    ALL,
    COMMIT,
    DROP_GROUP,
    ENQUEUE,
    ENQUEUE_FREEING,
    FIND_ENTRY,
    GATHER,
    LIVING,
    LOOK_AT_LIMITS,
    READ_FEED,
    RIGHTS,
    SEEK,
    Script,
    packed_argument,
)
from stead.transport._redis.signature import Nothing, Signature, constants_of, fields_of

KEYS = KeyNames(HubLayout("hub", "id", 4, 2, "direct", 1, 0))

_FORBIDDEN = re.compile(r"call\('(?:HSET|HDEL|XADD|XDEL|XTRIM|ZADD|ZREM|SET|PEXPIRE|DEL|UNLINK)'")


def head(script: Script[Any]) -> str:
    return "\n".join(line for line in script.source.splitlines() if line.startswith("--"))


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_the_head_lists_keys_answer_and_errors(script: Script[Any]) -> None:
    for word in ("-- KEYS  ", "-- Gives ", "-- Errors: "):
        assert word in head(script)


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_only_enqueue_may_be_refused_when_memory_is_full(script: Script[Any]) -> None:
    first = script.source.splitlines()[0]
    if script is ENQUEUE:
        assert first == "#!lua"
    elif script in (FIND_ENTRY, GATHER, LIVING, LOOK_AT_LIMITS, READ_FEED, RIGHTS, SEEK):
        assert first == "#!lua flags=no-writes"
        body = script.source.split("-- KEYS  ")[1]
        assert not _FORBIDDEN.search(body)
    else:
        assert first == "#!lua flags=allow-oom"


def test_what_frees_memory_gets_in_by_the_same_script_with_another_first_line() -> None:
    ordinary, freeing = (script.source.partition("\n") for script in (ENQUEUE, ENQUEUE_FREEING))
    assert (ordinary[0], freeing[0]) == ("#!lua", "#!lua flags=allow-oom")
    assert ordinary[2] == freeing[2]
    assert ENQUEUE.sha != ENQUEUE_FREEING.sha


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_no_inbox_is_ever_deleted_because_it_keeps_the_last_id(script: Script[Any]) -> None:
    deletions = re.findall(r"call\('(?:DEL|UNLINK|RENAME)'[^)]*\)", script.source)
    own = {
        COMMIT: ["call('UNLINK', log)"],  # a history
        ADOPT: ["call('UNLINK', KEYS[place])"],  # the sets of an index
        DROP_GROUP: ["call('UNLINK', group)"],
    }
    assert deletions == own.get(script, [])


@pytest.mark.hazard(4)
@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_every_key_is_checked_before_the_first_write(script: Script[Any]) -> None:
    for body in script.source.split("-- KEYS  ")[1:]:  # of each file of which it is made
        writes = [
            match.start() for match in re.finditer(r"(?:call|in_pieces)\('(?:HSET|XADD|ZADD|SET|HDEL|XDEL|ZREM)'", body)
        ]
        checks = [match.start() for match in re.finditer(r"check\(", body)]
        if writes:
            assert checks
            assert max(checks) < min(writes)


# -- both sides mean the same ------------------------------------------------------------------------------------------

_WORD = re.compile(r"(?<![.\w'])[A-Za-z_]\w*")


def own_text(script: Script[Any]) -> str:
    """A script's own file: its head and its body, without what is put before it."""
    name = script.name.removesuffix("_freeing")
    return (files("stead.transport") / "_redis" / "lua" / f"{name}.lua").read_text("utf-8")


def words_of(script: Script[Any]) -> set[str]:
    code = "\n".join(line.partition("--")[0] for line in own_text(script).splitlines())
    return set(_WORD.findall(re.sub(r"'[^']*'", "''", code)))


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_no_script_counts_its_arguments_or_keys(script: Script[Any]) -> None:
    assert not re.search(r"ARGV|cmsgpack|KEYS\[\d", own_text(script))


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_a_script_uses_every_argument_and_field_that_it_is_given(script: Script[Any]) -> None:
    signature = script.signature
    given = [*fields_of(signature.arguments), *(name for row in signature.rows for name in constants_of(row))]
    assert len(given) == len(set(given))
    unused = set(given) - words_of(script)
    # They get the same rows: one writes entries anew, the other what was said.
    not_of = {
        "keep_tasks": {"HOLDING_PARTITION", "HOLDING_BEHIND"},
        "give_back_tasks": {"HOLDING_INBOX", "HOLDING_SAID", "inboxes"},
    }
    assert unused == not_of.get(script.name, set())


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_a_script_uses_no_name_of_a_field_that_it_is_not_given(script: Script[Any]) -> None:
    given = {name for row in script.signature.rows for name in constants_of(row)} | {"MORE_KEYS", "KEYS"}
    assert {word for word in words_of(script) if word.isupper()} <= given


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_no_argument_has_the_name_of_a_key_or_of_what_scripts_share(script: Script[Any]) -> None:
    arguments = set(fields_of(script.signature.arguments))
    shared = set(re.findall(r"^local (?:function )?(\w+)", script.source.partition("-- KEYS  ")[0], re.MULTILINE))
    named = [name for name in shared if f"local function {name}(" in script.source]
    assert not arguments & (set(script.signature.kinds) - {"record"} | set(named) | {"call", "unpack", "redis"})


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_the_head_names_the_keys_as_the_signature_does_with_their_types(script: Script[Any]) -> None:
    listed = re.search(r"-- KEYS  (.*?)\n-- Gives", own_text(script), re.DOTALL)
    assert listed
    found = dict(re.findall(r"\b\d+ (\w+) \((\w+)", listed[1]))
    declared = {name: kind for name, kind in script.signature.kinds.items() if name != "record" and kind != "any"}
    assert {name: found.get(name) for name in declared if script.signature.keys} == (
        declared if script.signature.keys else {}
    )


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_a_script_checks_the_types_of_the_keys_that_it_is_given(script: Script[Any]) -> None:
    text = own_text(script)
    for name, kind in script.signature.kinds.items():
        if kind == "any" or "-- Errors: WRONGTYPE" in text:  # it only reads: the server itself says so
            continue
        if name == "record" and script.name != "join_hub":
            assert "check_hub(hub_id)" in text  # which looks at its type too
            continue
        listed = re.search(rf"ipairs\({{[^}}]*\b{name}\b[^}}]*}}\) do check\(key, '{kind}'\)", text)
        assert listed or f"check({name}, '{kind}')" in text


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_what_a_script_gives_has_as_many_parts_as_its_declared_answer(script: Script[Any]) -> None:
    answer = script.signature.answer
    given = set(_lengths_of_answers(own_text(script)))
    if answer is None or len(fields_of(answer)) > 1:
        given -= {1}  # {0}: it did nothing
    if answer is not None:
        assert len(fields_of(answer)) in given
        assert given <= {2, len(fields_of(answer))}  # {-1, commit ID}
    else:
        # a refused start is told in a third; how many come before, whether it is there, how many after; what is lost, and is to end
        own = {"enqueue": {2, 3}, "enqueue_freeing": {2, 3}, "seek": {3}, "keep_tasks": {2}}
        assert given == own.get(script.name, set())


def _lengths_of_answers(text: str) -> Iterator[int]:
    """Of each table that is returned how many parts it has."""
    for found in re.finditer(r"\breturn \{", "\n".join(line.partition("--")[0] for line in text.splitlines())):
        depth, commas = 0, 0
        for letter in found.string[found.end() - 1 :]:
            depth += (letter in "({[") - (letter in ")}]")
            commas += letter == "," and depth == 1
            if depth == 0:
                break
        yield commas + 1


def _rows_in(hint: Any) -> Iterator[Any]:
    if isinstance(hint, type) and issubclass(hint, tuple):
        yield hint
        for inner in get_type_hints(cast("Any", hint)).values():
            yield from _rows_in(inner)
    for inner in get_args(hint):
        yield from _rows_in(inner)


def test_the_rows_of_arguments_have_names_in_lua() -> None:
    declared: list[Any] = [
        value for value in (*vars(signatures).values(), commit_signature.COMMIT) if isinstance(value, Signature)
    ]
    for signature in declared:
        within = set(_rows_in(signature.arguments)) - {signature.arguments}
        assert within == set(signature.rows)


def test_arguments_are_packed_as_a_list_of_their_values() -> None:
    starting, receiving = [signatures.Starting(1, "x", b"id", 2)], [signatures.Receiving(2, "x")]
    given = signatures.Enqueue(
        [signatures.Enqueued(1, "0", "-1", "1", 60_000, 10, [b"a", b"b"], starting, receiving)],
        "hub",
    )
    plain = [[[1, "0", "-1", "1", 60_000, 10, [b"a", b"b"], [[1, "x", b"id", 2]], [[2, "x"]]]], "hub"]
    assert packed_argument(given) == packed_argument(plain)


def test_a_call_with_too_few_keys_is_not_made() -> None:
    with pytest.raises(AssertionError):
        LIVING.call([b"only one"], Nothing())


def given_to_commits(*commits: Commit) -> tuple[list[bytes], Any]:
    """The keys of a batch's command and its arguments, as the server gets them."""
    reader = hiredis.Reader()
    reader.feed(pack_batch(KEYS, commits, 101, 102))
    _, _, count, *words = reader.gets()
    assert len(words) == int(count) + 1
    return words[:-1], named(commit_signature.WriteCommits, cast("Any", msgpack).unpackb(words[-1], raw=True))


def named(kind: Any, values: Sequence[Any]) -> Any:
    """What came from the wire, where all texts are bytes, with the names of its parts."""
    return kind(*values)


def test_each_part_of_a_commit_has_the_name_under_which_the_script_knows_it() -> None:
    commit = Commit(
        1,
        b"token",
        b"previous",
        b"id",
        consumed=[b"1-0"],
        states=[("@a@1", b"record")],
        created=["@created@1"],
        deleted=["@deleted@1"],
        timers=[Timer(b"timer", 5, b"due")],
        cancelled=[b"cancelled"],
        sends=[(2, b"first"), (3, b"other"), (2, b"second")],
        replies=[Reply(0, "client", b"reply")],
        dead=[b"letter"],
        unparked=[Unpark("@parked@1", [b"2-0"], True)],
        blocked=[("@blocked@1", "reason")],
        unblocked=["@unblocked@1"],
        suspect_passed=True,
    )
    keys, given = given_to_commits(commit)
    own = KEYS.partitions[1]
    assert (given.batch_id, given.components) == (b"id", 0)
    assert (given.letters_max, given.reply_keep_ms, given.replies_max) == (101, 102, 100_000)
    (member,) = (named(commit_signature.Member, each) for each in given.members)
    assert keys[member.lease - 1 : member.lease + 2] == [own.lease, own.inbox, own.state]
    assert (member.token, member.previous) == (b"token", b"previous")
    assert (member.consumed, member.states) == ([b"1-0"], [b"@a@1", b"record"])
    assert [(keys[stream - 1], messages) for stream, messages in given.receivers] == [
        (KEYS.partitions[2].inbox, [1, b"first", 1, b"second"]),
        (KEYS.partitions[3].inbox, [1, b"other"]),
    ]
    assert [(keys[stream - 1], messages) for stream, messages in given.replies] == [
        (KEYS.reply(0, "client"), [1, b"reply"])
    ]
    parts = named(commit_signature.More, member.more)._asdict()
    first = parts.pop("first")
    names = ("index", "timers", "payloads", "parked", "blocked", "dead")
    assert keys[first - 1 : first + 5] == [getattr(own, name) for name in names]
    (unparking,) = (named(commit_signature.Unparking, park) for park in parts.pop("unparked"))
    assert keys[unparking.park - 1] == own.park("@parked@1")
    assert unparking[1:] == (b"@parked@1", [b"2-0"])
    assert parts == {
        "created": [0, b"@created@1"],
        "deleted": [b"@deleted@1"],
        "due": [b"5", b"timer"],
        "timed": [b"timer", b"due"],
        "letters": [b"letter"],
        "now_blocked": [b"@blocked@1", b"reason"],
        "unblocked": [b"@unblocked@1"],
        "cancelled": [b"cancelled"],
        "suspect_passed": 1,
        "clear_running": 0,
        "instances": 0,
    }


def test_a_commit_names_no_key_that_it_does_not_need() -> None:
    commits = [
        Commit(place, b"token", b"", b"id", consumed=[b"1-0"], states=[("@a@b", b"r")], replies=[Reply(0, "c", b"a")])
        for place in (0, 3)
    ]
    keys, given = given_to_commits(*commits)
    own = [KEYS.partitions[place] for place in (0, 3)]
    wanted = [key for each in own for key in (each.lease, each.inbox, each.state)]
    assert keys == [*wanted, KEYS.reply(0, "c")]
    assert [member[-1] for member in given.members] == [0, 0]
    assert given.replies == [[7, [1, b"a", 2, b"a"]]]


def test_what_is_sent_to_a_receiver_is_in_the_order_of_the_members() -> None:
    commits = [
        Commit(0, b"t", b"", b"id", sends=[(2, b"1")], component=7),
        Commit(1, b"t", b"", b"id", sends=[(3, b"2"), (2, b"3")]),
        Commit(2, b"t", b"", b"id", sends=[(2, b"4")], component=7),
    ]
    keys, given = given_to_commits(*commits)
    assert given.components == [[1, 3], [2]]
    assert [(keys[stream - 1], messages) for stream, messages in given.receivers] == [
        (KEYS.partitions[2].inbox, [1, b"1", 2, b"3", 3, b"4"]),
        (KEYS.partitions[3].inbox, [2, b"2"]),
    ]


def test_so_has_each_part_of_what_instances_do() -> None:
    commit = Commit(
        1,
        b"token",
        b"previous",
        b"id",
        deleted=["ended"],
        logs=[LogWrite("i", [b"event"], reset=True)],
        tasks=[Task(b"own", "q", False, b"mine"), Task(b"shared", "q", True, b"ours", TaskLimit("l", "1:0:0", "i", 1))],
        dropped=[b"dropped", b"waited"],
        unqueued=[("q", b"waited")],
        ending=[("r", b"to end")],
        sends=[(2, b"before")],
        starts=[SentStart(2, "child", b"message", b"begin", place=1)],
        started=[("began", b"its message")],
    )
    before = Commit(3, b"token", b"previous", b"id", sends=[(2, b"of another")])
    keys, given = given_to_commits(before, commit)
    more = named(commit_signature.More, given.members[1][5])
    instances = named(commit_signature.Instances, more.instances)
    own, other = KEYS.partitions[1], KEYS.partitions[2]
    assert keys[instances.tasks - 1 : instances.tasks + 2] == [own.tasks, own.tries, own.starts]
    ((log, reset, events),) = instances.logs
    assert (keys[log - 1], reset, events) == (own.log("i"), 1, [b"event"])
    mine, ours = (named(commit_signature.NewTask, task) for task in instances.new_tasks)
    assert mine == (b"own", 0, b"mine", [])
    assert (ours.task_id, keys[ours.queue - 1], ours.payload) == (b"shared", KEYS.queue("q"), b"ours")
    assert ours.fields == [b"l", b"l", b"q", b"1:0:0", b"i", b"i", b"r", b"0999"]
    assert instances.dropped == [b"dropped", b"waited"]
    (gone,) = (named(commit_signature.Unqueued, each) for each in instances.unqueued)
    assert keys[gone.queue - 1 : gone.queue + 2] == [*KEYS.queue_and_limits("q")[:3]]
    assert gone.task_id == b"waited"
    (to_end,) = (named(commit_signature.Unqueued, each) for each in instances.ending)
    assert keys[to_end.queue - 1 : to_end.queue + 2] == [*KEYS.queue_and_limits("r")[:3]]
    assert to_end.task_id == b"to end"
    (reservation,) = (named(commit_signature.Reservation, new) for new in instances.reservations)
    assert keys[reservation.starts - 1] == other.starts
    assert (reservation.target, reservation.message_id) == (b"child", b"message")
    assert given.receivers[reservation.receiver - 1][1][reservation.place - 1] == b"begin"
    assert instances.started == [b"began", b"its message"]
    assert instances.partition == b"1"
    ((into, members),) = instances.listed
    assert (keys[into - 1], members) == (other.index, [0, b"child"])
    assert instances.doubtful == [b"ended", b"began"]
