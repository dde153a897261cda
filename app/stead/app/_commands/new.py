"""`stead new`: a small project to begin with, that runs and has a test."""

from __future__ import annotations

import importlib.util
import keyword
import sys
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from string import Template

from stead.app._app import App
from stead.app._console.faults import FAILED, WRONG_USAGE
from stead.app._console.screen import print_error, print_json_line, print_note
from stead.transport import InvalidInput

# What lies in `new_project`, and what it becomes.
FILES = {
    "module.py.txt": "{name}.py",
    "test_module.py.txt": "test_{name}.py",
    "pyproject.toml.txt": "pyproject.toml",
    "README.md.txt": "README.md",
    "gitignore.txt": ".gitignore",
}


def run_new(name: str, folder: str | None, *, as_json: bool) -> int:
    """Write the project; gives the exit status. Files that are there already are never written over."""
    if fault := name_fault(name):
        print_error(fault, "UsageError", as_json=as_json)
        return WRONG_USAGE
    place = Path(folder or name)
    texts = {place / made.format(name=name): _text(source, name) for source, made in FILES.items()}
    taken = sorted(path.name for path in texts if path.exists())
    if taken:
        print_error(
            f"{place} has {', '.join(taken)} already: nothing was written; give another folder with --folder",
            "FileExistsError",
            as_json=as_json,
        )
        return FAILED
    try:
        place.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        print_error(f"{place} cannot be written: {error.strerror or error}", type(error).__name__, as_json=as_json)
        return FAILED
    if as_json:
        print_json_line({"folder": str(place), "app": f"{name}:app", "files": sorted(path.name for path in texts)})
        return 0
    for path in texts:
        sys.stdout.write(f"{path}\n")
    print_note(f"next: cd {place} && stead dev {name}:app, and in another terminal what README.md says")
    return 0


def name_fault(name: str) -> str | None:
    """Why a module cannot have this name; None if it can."""
    if not (name.isascii() and name.isidentifier() and name == name.lower()) or keyword.iskeyword(name):
        return f"{name!r} cannot be a module's name: lower case letters, digits and _, not beginning with a digit"
    if name.startswith("_"):
        return f"{name!r} begins with _: that is what private modules do"
    if name.startswith("test_"):
        return f"{name!r} begins with test_: pytest would take the app for a test"
    try:
        App(_project(name))
    except InvalidInput as error:
        return str(error)
    if name in sys.stdlib_module_names or _is_installed(name):
        return f"{name!r} is the name of a module that is installed: `import {name}` would not find yours"
    return None


def _is_installed(name: str) -> bool:
    """Whether an import finds it elsewhere than in this folder, where the project may lie already."""
    found = importlib.util.find_spec(name)
    if found is None:
        return False
    here = Path.cwd()
    places = [found.origin] if found.origin else list(found.submodule_search_locations or [])
    return not any(Path(place).is_relative_to(here) for place in places)


def _text(source: str, name: str) -> str:
    text = (resources.files("stead.app._commands") / "new_project" / source).read_text(encoding="utf-8")
    return Template(text).substitute(name=name, project=_project(name), version=_version())


def _project(name: str) -> str:
    """The name of the app and of the distribution."""
    return name.replace("_", "-")


def _version() -> str:
    try:
        return version("stead")
    except PackageNotFoundError:
        return "0"
