"""Which program this process runs: a name that is the same in every process of the same code, and another in any other.

What it goes by is there when the first worker starts: Python, the versions of what is installed, and the bytes of the
modules that were imported from elsewhere, which are the app's, and of those beside them: they may be imported later. Which
of them were imported counts too: two apps in one folder are two programs.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

_LENGTH = 6  # bytes
_PACKAGES_MAX = 100  # of a folder that holds very many a part must do: the order is that of names


@functools.cache
def program() -> str:
    """The name of this process's program, as it was when somebody first asked."""
    paths = sysconfig.get_paths()
    installed = {Path(paths[name]) for name in ("purelib", "platlib")}
    python = {Path(paths[name]) for name in ("stdlib", "platstdlib")}
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    own = outside((Path(file) for file in files if isinstance(file, str)), installed | python)
    return name_of(sys.version, installed, own, neighbours(own), installed | python)


def name_of(
    version: str, installed: Iterable[Path], imported: Iterable[Path], beside: Iterable[Path], not_own: Iterable[Path]
) -> str:
    """The name of what runs: by a version of Python, what is installed in folders, and those files, imported and beside them,
    that are in none of `not_own`. Where they lie does not matter, nor does when they were written: it differs from machine to
    machine."""
    hashed = hashlib.blake2b(version.encode(), digest_size=_LENGTH)
    names = {found.name for folder in installed for found in folder.glob("*.dist-info")}
    for name in sorted(names):
        hashed.update(b"\0" + name.encode())
    apart = tuple(not_own)
    for files in (imported, beside):
        hashed.update(b"\0")
        for data in sorted([data for data in map(_bytes_of, outside(files, apart)) if data]):
            hashed.update(hashlib.blake2b(data, digest_size=16).digest())
    return hashed.hexdigest()


def outside(files: Iterable[Path], apart: Iterable[Path]) -> set[Path]:
    """Those files that are in none of the folders."""
    folders = tuple(apart)
    return {file for file in files if not any(file.is_relative_to(folder) for folder in folders)}


def neighbours(files: Iterable[Path]) -> set[Path]:
    """The modules that can be imported from where files are: in the same folder, and in the packages that are there; of a package,
    from where that is."""
    homes = {_home(file.parent) for file in files}
    packages = sorted(file.parent for home in homes for file in home.glob("*/__init__.py"))
    found = {file for home in homes for file in home.glob("*.py")}
    return found.union(*(package.rglob("*.py") for package in packages[:_PACKAGES_MAX]))


def _home(folder: Path) -> Path:
    while (folder / "__init__.py").exists() and folder.parent != folder:
        folder = folder.parent
    return folder


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # a module out of an archive, or one whose file is gone
        return b""
