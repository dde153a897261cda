"""Versions: which is newer, and which code may run an instance."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stead.entities import InvalidInput
from stead.orchestrations import compare_versions
from stead.orchestrations._definition.versions import Match, check_version, choose_code, version_key

ASCENDING = [None, "0.9", "1.0-beta", "1.0-rc1", "1.1", "1.2", "1.10", "2.0", "10", "2026-05-01", "blue", "green", "v1"]


def test_versions_in_their_order() -> None:
    for older, newer in itertools.combinations(ASCENDING, 2):
        assert compare_versions(older, newer) < 0 < compare_versions(newer, older), (older, newer)


@pytest.mark.parametrize(
    ("one", "other"), [("", None), ("1", "1.0"), ("1.0", "1.0.0"), ("Blue", "bLUE"), ("1.0-RC", "1-rc")]
)
def test_versions_that_are_the_same(one: str, other: str | None) -> None:
    assert compare_versions(one, other) == 0


@given(st.lists(st.text("0123456789.-abAB", max_size=30), max_size=6))
def test_the_order_is_one(versions: list[str]) -> None:
    keys = sorted(version_key(version) for version in versions)
    assert all(one <= other for one, other in itertools.combinations(keys, 2))


@pytest.mark.parametrize("version", ["1.0", "2.0-beta+5", "blue", "2026_05", "1" * 100])
def test_versions_may_look_like(version: str) -> None:
    assert check_version(version) == version


@pytest.mark.parametrize("version", [" 1", "1@2", "é", "-1", "1" * 101, "1/2", 2])
def test_versions_may_not_look_like(version: str) -> None:
    with pytest.raises(InvalidInput, match="version"):
        check_version(version)


def test_an_empty_version_is_none() -> None:
    assert check_version("") is None


def chosen(codes: Sequence[str | None], version: str | None, match: Match, default: str = "") -> str | None:
    names = {version_key(code): code or "unversioned" for code in codes}
    return choose_code(names, version, match, default)


@pytest.mark.parametrize(
    ("codes", "version", "strict", "current_or_older", "none"),
    [
        (["1.0", "2.0"], "1.0", "1.0", "1.0", "1.0"),
        (["1.0", "2.0"], "1", "1.0", "1.0", "1.0"),
        (["1.0", "2.0", "3.0"], "1.5", None, "2.0", "2.0"),
        (["1.0", "2.0"], "2.5", None, None, "2.0"),
        (["1.0", "2.0"], None, None, "1.0", "1.0"),
        ([None], "1.0", None, "unversioned", "unversioned"),
        ([None, "2.0"], "1.0", None, "unversioned", "unversioned"),
        ([None, "2.0"], "2.0", "2.0", "2.0", "2.0"),
        ([None, "2.0"], None, "unversioned", "unversioned", "unversioned"),
    ],
)
def test_the_code_for_an_instance(
    codes: list[str | None],
    version: str | None,
    strict: str | None,
    current_or_older: str | None,
    none: str | None,
) -> None:
    assert chosen(codes, version, "strict") == strict
    assert chosen(codes, version, "current_or_older") == current_or_older
    assert chosen(codes, version, "none") == none


@pytest.mark.parametrize(
    ("codes", "version", "strict", "current_or_older", "none"),
    [
        ([None], "2.0", "unversioned", "unversioned", "unversioned"),
        ([None], "1.0", None, "unversioned", "unversioned"),
        ([None], "3.0", None, None, "unversioned"),
        ([None], None, None, "unversioned", "unversioned"),
        ([None, "2.0"], "2.0", "2.0", "2.0", "2.0"),
        ([None, "1.0"], "1.5", None, "unversioned", "unversioned"),
        ([None, "1.0"], None, None, "unversioned", "unversioned"),
    ],
)
def test_code_without_a_version_has_the_default_one(
    codes: list[str | None],
    version: str | None,
    strict: str | None,
    current_or_older: str | None,
    none: str | None,
) -> None:
    assert chosen(codes, version, "strict", "2.0") == strict
    assert chosen(codes, version, "current_or_older", "2.0") == current_or_older
    assert chosen(codes, version, "none", "2.0") == none


@given(
    st.lists(st.sampled_from(ASCENDING), min_size=1, unique=True),
    st.sampled_from(ASCENDING),
    st.sampled_from(["", "1.1", "2.0"]),
)
def test_nothing_runs_on_code_that_is_older(codes: list[str | None], version: str | None, default: str) -> None:
    found = chosen(codes, version, "current_or_older", default)
    if found is not None and (found != "unversioned" or default):
        own = default if found == "unversioned" else found
        assert compare_versions(own, version) >= 0
    if version in codes and (version is not None or not default):
        assert found == (version or "unversioned")
    assert chosen(codes, version, "none", default) is not None
