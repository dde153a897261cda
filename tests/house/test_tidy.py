"""The repository polices itself: limits and habits that no linter knows."""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
PACKAGES = ["app", "entities", "gateway", "orchestrations", "transport"]
FOLDERS = [*PACKAGES, "benchmarks", "examples", "tests"]

FILE_LINES_MAX = 400
# What is longer, and why it is one thing all the same.
LONG_FILES = {
    "tests/support/values_table.py": "a table: every kind of value, and what becomes of it",
    "tests/support/twin_steps.py": "every step of a store, as something that may happen and as what is done then",
    "tests/simulation/world.py": "what may happen in a world is a choice among all that can",
    "tests/simulation/workers.py": "a worker in a world, which may be interrupted wherever it is",
    "tests/processes/test_damaged_keys.py": "a hub, and every key of it in the ways in which it can be damaged",
    "tests/orchestrations/definition/test_determinism_order.py": "the code under test declares and uses its module's names",
}
LONG_FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60

# Rooms that compute and do nothing else. They get the time as an argument and make no random numbers.
PURE = [
    "entities/stead/entities/_definition",
    "entities/stead/entities/_index",
    "entities/stead/entities/_measures",
    "entities/stead/entities/_message",
    "entities/stead/entities/_partition",
    "entities/stead/entities/_turns",
    "orchestrations/stead/orchestrations/_definition",
    "orchestrations/stead/orchestrations/_execution",
    "orchestrations/stead/orchestrations/_history",
    "orchestrations/stead/orchestrations/_instance",
    "orchestrations/stead/orchestrations/_schedules",
    "transport/stead/transport/_contract",
]
# What stands in them all the same, and why.
_EXECUTION = "orchestrations/stead/orchestrations/_execution"
IMPURE_ALLOWED = {
    # An event loop of our own, its futures and tasks: nothing of it waits, and chance comes from seeds.
    f"{_EXECUTION}/closing.py": {"asyncio"},
    f"{_EXECUTION}/context.py": {"random"},
    f"{_EXECUTION}/drawn.py": {"random"},
    f"{_EXECUTION}/durable_task.py": {"asyncio"},
    f"{_EXECUTION}/event_wait.py": {"asyncio"},
    f"{_EXECUTION}/execution.py": {"asyncio"},
    f"{_EXECUTION}/handles.py": {"asyncio"},
    f"{_EXECUTION}/log_filter.py": {"asyncio"},
    f"{_EXECUTION}/loop.py": {"asyncio"},
    f"{_EXECUTION}/ordering.py": {"asyncio"},
    f"{_EXECUTION}/refused.py": {"asyncio"},
    f"{_EXECUTION}/time_outs.py": {"asyncio"},
    # They name what they warn of, or what users' code may raise.
    "orchestrations/stead/orchestrations/_definition/determinism.py": {"os", "random"},
    "entities/stead/entities/_message/failures.py": {"asyncio"},
    # The clock that everything else is given, and in which loop something lives.
    "transport/stead/transport/_contract/clock.py": {"asyncio", "time"},
    "transport/stead/transport/_contract/home.py": {"asyncio"},
}
# Class names that stand for two things, and why that stays.
SHARED_NAMES = {
    "EntityKind": "in the gateway it is a name that the OpenAPI document shows",
    "Query": "in the gateway, what stands behind the question mark of a URL; in entities, what users ask",
}
IMPURE = {
    "anyio", "asyncio", "http", "multiprocessing", "os", "random", "redis", "requests", "secrets", "select", "signal",
    "socket", "subprocess", "tempfile", "time",
}  # fmt: skip
NOW = {"now", "utcnow", "today", "uuid1", "uuid4", "uuid7"}

UNSAFE = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}

# Spelled in parts, so that this file does not find itself.
LEFT_OVER = re.compile("|".join([r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bXX" + r"X\b", r"\bHA" + r"CK\b"]))
SKIPPED = re.compile("|".join([r"mark\.ski" + "p", r"mark\.xfa" + "il", r"pytest\.ski" + r"p\(", "importor" + "skip"]))


@functools.cache
def files(suffix: str = ".py") -> list[Path]:
    """Every file of ours of a kind."""
    found = [file for folder in FOLDERS for file in sorted((REPO / folder).rglob(f"*{suffix}"))]
    assert found
    return found


@functools.cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), str(file))


def name_of(file: Path) -> str:
    return file.relative_to(REPO).as_posix()


def imports(tree: ast.AST) -> Iterator[str]:
    """The top-level names of all modules imported anywhere in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """Every text and bytes literal of a file with its line, but for docstrings (those of attributes included)."""
    tree = parsed(file)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            if isinstance(node.value, str):
                yield node.lineno, node.value
            elif isinstance(node.value, bytes):
                yield node.lineno, node.value.decode("latin-1")


def test_a_room_says_what_is_in_it() -> None:
    """So that who looks for something reads one docstring and not a folder; a room offers nothing else of its own."""
    rooms = [path for layer in PACKAGES for path in (REPO / layer / "stead" / layer).glob("_*/__init__.py")]
    assert len(rooms) > 20
    unnamed: list[str] = []
    for room in rooms:
        tree = ast.parse(room.read_text("utf-8"))
        assert len(tree.body) == 1, f"{room} is more than a docstring"
        text = ast.get_docstring(tree) or ""
        modules = sorted(path.stem for path in room.parent.glob("*.py") if path != room)
        unnamed += [f"{room.parent.name}/{module}" for module in modules if f"`{module}`" not in text]
    assert unnamed == []


def test_the_map_leads_somewhere() -> None:
    """Every room and module that CONTRIBUTING.md names by its path is there."""
    text = (REPO / "CONTRIBUTING.md").read_text("utf-8")
    named = re.findall(rf"`({'|'.join(PACKAGES)})/((?:_\w+)(?:/\w+)?)(?:\.py)?`", text)
    assert len(named) > 30
    places = {f"{layer}/{place}": REPO / layer / "stead" / layer / place for layer, place in named}
    assert [name for name, at in places.items() if not (at.is_dir() or at.with_suffix(".py").is_file())] == []


def test_files_are_short() -> None:
    lengths = {name_of(file): len(file.read_text().splitlines()) for file in [*files(), *files(".lua")]}
    long = {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX}
    assert {name: lines for name, lines in long.items() if name not in LONG_FILES} == {}, "cut it by thought"
    assert {name: lines for name, lines in long.items() if lines > LONG_FILE_LINES_MAX} == {}
    assert set(LONG_FILES) - set(long) == set(), "these are short now"
    assert not any(name.partition("/")[0] in PACKAGES for name in LONG_FILES), "what is shipped has no exception"


def test_comments_stand_where_they_belong() -> None:
    """One too long for its line hangs behind a closing bracket when the code is formatted: it goes above what it is about."""
    hung = re.compile(r"^[ ]*[)\]}][^#\"'\n]*#(?! (fmt|type|pyright|noqa)\b)", re.MULTILINE)
    shipped = [file for file in files() if name_of(file).partition("/")[0] in PACKAGES]
    assert [name_of(file) for file in shipped if hung.search(file.read_text())] == []


def test_functions_are_short() -> None:
    lengths = {
        f"{name_of(file)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for file in files()
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES_MAX} == {}


def test_a_class_has_a_name_of_its_own() -> None:
    """So that one who reads a name, or looks for it, finds one thing. What is above takes the longer name."""
    places: dict[str, list[str]] = {}
    for file in files():
        if name_of(file).partition("/")[0] in PACKAGES:
            for node in parsed(file).body:
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(name_of(file))
    shared = {name: found for name, found in places.items() if len(found) > 1}
    assert {name: found for name, found in shared.items() if name not in SHARED_NAMES} == {}
    assert set(SHARED_NAMES) - set(shared) == set(), "these have names of their own now"


def test_every_module_says_what_it_is() -> None:
    assert [name_of(file) for file in files() if file.read_text().strip() and not ast.get_docstring(parsed(file))] == []


def test_every_module_postpones_its_annotations() -> None:
    """So that imports for types cost nothing and the oldest Python reads every annotation."""
    wanted = "from __future__ import annotations"
    with_code = [file for file in files() if len(parsed(file).body) > 1]
    assert [name_of(file) for file in with_code if wanted not in file.read_text()] == []


def test_keys_are_named_in_one_module_only() -> None:
    found = {
        f"{name_of(file)}:{line}"
        for file in files()
        if name_of(file).partition("/")[0] in PACKAGES and name_of(file) != "transport/stead/transport/_redis/keys.py"
        for line, text in texts(file)
        if "stead:" in text
    }
    scripts = {name_of(file) for file in files(".lua") if "stead:" in file.read_text()}
    assert found | scripts == set()


@pytest.mark.parametrize("file", [file for room in PURE for file in sorted((REPO / room).glob("*.py"))], ids=name_of)
def test_the_core_does_nothing_but_compute(file: Path) -> None:
    assert IMPURE & set(imports(parsed(file))) == IMPURE_ALLOWED.get(name_of(file), set())
    called = {
        f"{node.func.attr}, line {node.lineno}"
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in NOW
        if isinstance(node.func.value, ast.Name) and node.func.value.id in {"datetime", "date", "uuid"}
    }
    assert called == set()


def test_data_can_never_run_code() -> None:
    for file in files():
        if not name_of(file).startswith("tests/"):  # they check that errors survive a process pool
            assert UNSAFE.isdisjoint(imports(parsed(file))), name_of(file)
            calls = [node.func for node in ast.walk(parsed(file)) if isinstance(node, ast.Call)]
            names = {call.id for call in calls if isinstance(call, ast.Name)}
            assert names.isdisjoint({"eval", "exec"}), name_of(file)


def test_the_supervisor_needs_the_standard_library_only() -> None:
    """It is run by its path, without site-packages."""
    tree = parsed(REPO / "transport/stead/transport/_embedded/supervisor.py")
    assert set(imports(tree)) <= sys.stdlib_module_names
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))


def test_nothing_is_left_to_do_and_no_test_is_left_out() -> None:
    for file in [*files(), *files(".lua"), *REPO.glob("*.md"), *(REPO / "docs").rglob("*.md"), REPO / "Makefile"]:
        for pattern in (LEFT_OVER, SKIPPED):
            found = pattern.search(file.read_text())
            assert found is None, f"{name_of(file)}: {found[0]}"


def test_every_ignore_of_a_type_error_names_it() -> None:
    blanket = re.compile(r"#\s*(type|pyright):\s*ignore(?!\[)")
    assert [name_of(file) for file in files() if blanket.search(file.read_text())] == []
