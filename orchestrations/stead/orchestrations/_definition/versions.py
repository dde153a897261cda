"""Versions of orchestrations: how they are written, which of two is newer, and which code may run an instance.

1. No version (None or "") is older than any.
2. Versions that begin with numbers ("1.10", "2.0-beta", "2026-05-01") are compared by them, then by the rest as text, without
   regard to case; missing numbers are zeros, so that "1" and "1.0" are the same version.
3. All others ("blue") are newer than those, and compared as text, without regard to case.

An instance's version never changes while it runs. The code that runs it has been registered for its name,

    "strict"            with the same version;
    "current_or_older"  with the same version; else without one; else with the next newer version, so that an instance
                        never runs on code that is older than itself;
    "none"              like that, and if there is nothing newer, with the newest version that there is.

Code without a version of its own counts as code of `settings.default_version`, if that is set: then it is in line with the
others, and nothing runs on it only because it has none. An instance without a version prefers code without one all the same,
except under "strict".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias, TypeVar

from stead.transport import InvalidInput

VERSION_LENGTH_MAX = 100

T = TypeVar("T")

Match: TypeAlias = Literal["strict", "current_or_older", "none"]
Key: TypeAlias = tuple[int, tuple[int, ...], str]

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*", re.ASCII)
_NUMBERS = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})*", re.ASCII)


def check_version(version: str | None) -> str | None:
    """A version as it was given; None for none. Raises `InvalidInput` for what is no version."""
    if version is None or version == "":
        return None
    if not isinstance(version, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"version {version!r}", 'a version is text, as "2.0"')
    if len(version) > VERSION_LENGTH_MAX or not _VERSION.fullmatch(version):
        raise InvalidInput(
            f"version {version[:40]!r}",
            'a version is letters, digits, ".", "_", "+" and "-" (ASCII), begins with a letter or digit, and has at most '
            f"{VERSION_LENGTH_MAX} characters",
        )
    return version


def version_key(version: str | None) -> Key:
    """What versions are compared and sorted by."""
    if not version:
        return 0, (), ""
    found = _NUMBERS.match(version)
    if found is None:
        return 2, (), version.lower()
    numbers = [int(number) for number in found.group().split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return 1, tuple(numbers), version[found.end() :].lower()


def compare_versions(left: str | None, right: str | None) -> int:
    """Below 0 if `left` is older than `right`, 0 if they are the same version, above 0 if it is newer."""
    one, other = version_key(left), version_key(right)
    return (one > other) - (one < other)


_NO_VERSION: Key = version_key(None)


def choose_code(codes: Mapping[Key, T], version: str | None, match: Match, default_version: str = "") -> T | None:
    """The code for an instance of a version, of all code of its name (by its own version's key); None if none may run it."""
    if not version and not default_version and (found := codes.get(_NO_VERSION)) is not None:
        return found  # most of the time
    wanted = version_key(version)
    unversioned = codes.get(version_key(None))
    exact = codes.get(wanted)
    if exact is not None and (version or match != "strict" or not default_version):
        return exact
    in_line = dict(codes)
    if unversioned is not None and default_version:
        del in_line[version_key(None)]
        in_line.setdefault(version_key(default_version), unversioned)
    if wanted in in_line:
        return in_line[wanted]
    if match == "strict":
        return None
    if unversioned is not None and not default_version:
        return unversioned
    newer = [key for key in in_line if key > wanted]
    if newer:
        return in_line[min(newer)]
    return in_line[max(in_line)] if match == "none" and in_line else None
