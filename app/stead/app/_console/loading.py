"""Find the `App` that a command line names as `module:attribute`, and say clearly what is wrong if it is not there."""

from __future__ import annotations

import importlib
import sys
import traceback
from itertools import dropwhile, takewhile
from pathlib import Path
from types import ModuleType

import stead
from stead.app._app import App
from stead.app._hub.environment import find_in_environment

from .faults import CommandFault


def load_app(reference: str, folder: Path | None = None) -> App:
    """The app that `weather:app` names, imported with the current folder in front of the search path."""
    module_name, attribute = _split(reference)
    place = str(folder or Path.cwd())
    if place not in sys.path:
        sys.path.insert(0, place)
    module = _import(module_name, place)
    value: object = module
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            raise CommandFault(
                f"{module_name} has no attribute {attribute!r}; {_suggest(module)}", usage=True
            ) from None
    if not isinstance(value, App):
        kind = value.__name__ if isinstance(value, type) else type(value).__name__
        what = f"the class {kind}" if isinstance(value, type) else f"of type {kind}"
        raise CommandFault(f"{reference} is {what}, not an App; {_suggest(module)}", usage=True)
    value.reference = reference
    return value


def _split(reference: str) -> tuple[str, str]:
    module_name, colon, attribute = reference.partition(":")
    if "/" in module_name or module_name.endswith(".py"):
        dotted = module_name.removeprefix("./").removesuffix(".py").replace("/", ".")
        raise CommandFault(f"{reference!r} is a path; write it as a module: {dotted}:{attribute or 'app'}", usage=True)
    names = [*module_name.split("."), *attribute.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        good = module_name if module_name.replace(".", "").isidentifier() else "weather"
        raise CommandFault(f"{reference!r} names no app; write MODULE:ATTRIBUTE, for example {good}:app", usage=True)
    return module_name, attribute


def _import(module_name: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise CommandFault(
                f"there is no module {module_name!r} in {place} or among the installed packages; "
                "run stead in the folder that has it",
                usage=True,
            ) from None
        raise _broken(module_name, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(module_name, error) from error


def _broken(module_name: str, error: BaseException) -> CommandFault:
    """The module is there, and running it failed: say where. Unless it is the environment that is wrong."""
    if variables := find_in_environment(error):
        return CommandFault(f"the environment: {variables}", usage=True)
    if isinstance(error, SyntaxError):
        where = f"{error.filename}, line {error.lineno}"
        reason = f"SyntaxError: {error.msg}"
    else:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
        # Without this module's own, and up to where stead was called: what it refuses was written there.
        frames = list(takewhile(lambda f: not _is_ours(f), dropwhile(_is_ours, frames)))
        where = f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else module_name
        reason = f"{type(error).__name__}: {error}"
    return CommandFault(f"importing {module_name} failed with {reason} ({where}); --debug shows the traceback")


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return any(Path(frame.filename).is_relative_to(folder) for folder in stead.__path__)


def _suggest(module: ModuleType) -> str:
    apps = [name for name, value in vars(module).items() if isinstance(value, App)]
    if apps:
        return f"try {module.__name__}:{apps[0]}"
    return f'{module.__name__} defines no App: add `app = App("name")` to it'
