"""Which program this process runs: a name that is the same in every process of the same code, and another in any other.

What it goes by is there when the first worker starts: Python, the versions of what is installed, and the bytes of the
modules that were imported from elsewhere, which are the app's.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

_LENGTH = 6  # bytes


@functools.cache
def program() -> str:
    """The name of this process's program, as it was when somebody first asked."""
    paths = sysconfig.get_paths()
    installed = {Path(paths[name]) for name in ("purelib", "platlib")}
    python = {Path(paths[name]) for name in ("stdlib", "platstdlib")}
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return name_of(sys.version, installed, (Path(file) for file in files if isinstance(file, str)), installed | python)


def name_of(version: str, installed: Iterable[Path], files: Iterable[Path], not_own: Iterable[Path]) -> str:
    """The name of what runs: by a version of Python, what is installed in folders, and those files that are in none of
    `not_own`. Where they lie does not matter, nor does when they were written: it differs from machine to machine."""
    hashed = hashlib.blake2b(version.encode(), digest_size=_LENGTH)
    names = {found.name for folder in installed for found in folder.glob("*.dist-info")}
    for name in sorted(names):
        hashed.update(b"\0" + name.encode())
    apart = tuple(not_own)
    own = {file for file in files if not any(file.is_relative_to(folder) for folder in apart)}
    for data in sorted([data for data in map(_bytes_of, own) if data]):
        hashed.update(hashlib.blake2b(data, digest_size=16).digest())
    return hashed.hexdigest()


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # a module out of an archive, or one whose file is gone
        return b""
