"""The scripts' files: each says what it takes and gives, and which may run when memory is full."""

from __future__ import annotations

import re

import pytest

from stead.transport._redis.scripts import ALL, COMMIT, ENQUEUE, ENQUEUE_FREEING, LIVING, RIGHTS, Script

_FORBIDDEN = re.compile(r"call\('(?:HSET|HDEL|XADD|XDEL|XTRIM|ZADD|ZREM|SET|PEXPIRE|DEL|UNLINK)'")


def head(script: Script) -> str:
    return "\n".join(line for line in script.source.splitlines() if line.startswith("--"))


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_the_head_lists_keys_arguments_answer_and_errors(script: Script) -> None:
    for word in ("-- KEYS  ", "-- ARGV  ", "-- Gives ", "-- Errors: "):
        assert word in head(script)


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_only_enqueue_may_be_refused_when_memory_is_full(script: Script) -> None:
    first = script.source.splitlines()[0]
    if script is ENQUEUE:
        assert first == "#!lua"
    elif script in (LIVING, RIGHTS):
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
def test_no_inbox_is_ever_deleted_because_it_keeps_the_last_id(script: Script) -> None:
    deletions = re.findall(r"call\('(?:DEL|UNLINK|RENAME)'[^)]*\)", script.source)
    assert deletions == (["call('UNLINK', log)"] if script is COMMIT else [])


@pytest.mark.hazard(4)
@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_every_key_is_checked_before_the_first_write(script: Script) -> None:
    for body in script.source.split("-- KEYS  ")[1:]:  # of each file of which it is made
        writes = [
            match.start() for match in re.finditer(r"(?:call|in_pieces)\('(?:HSET|XADD|ZADD|SET|HDEL|XDEL|ZREM)'", body)
        ]
        checks = [match.start() for match in re.finditer(r"check\(", body)]
        if writes:
            assert checks
            assert max(checks) < min(writes)
