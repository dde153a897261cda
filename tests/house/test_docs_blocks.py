"""What every page shows: code that is Python and names what there is, commands that stead takes, links that lead somewhere."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import typer

from stead.app import Settings
from stead.app._cli.commands import cli
from stead.gateway import HttpSettings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`(stead [^`\n]+)`")
_PLACEHOLDER = re.compile(r"^[A-Z][A-Z_]*$|…|\.\.\.")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, *languages: str) -> Iterator[str]:
    """The blocks of these languages, not indented."""
    for _, language, code in _BLOCK.findall(page.read_text("utf-8")):
        if language in languages:
            yield textwrap.dedent(code)


def parsed(code: str) -> ast.Module:
    """A block: a program, or a part of one (the calls of an `async def`, say)."""
    return cast("ast.Module", compile(code, "block", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT))


@pages
def test_code_is_python_and_imports_what_there_is(page: Path) -> None:
    for code in blocks(page, "python", "py"):
        for node in ast.walk(parsed(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "stead":
                module = importlib.import_module(node.module or "")
                missing = [name.name for name in node.names if not hasattr(module, name.name)]
                assert not missing, f"{node.module} has no {missing}"


def typed(page: Path) -> Iterator[str]:
    """The lines of its blocks that begin with `stead`, joined where they go on."""
    for code in blocks(page, "console", "text", ""):
        for line in code.replace("\\\n", " ").splitlines():
            words = line.strip().removeprefix("$ ")
            if words.startswith("stead "):
                yield words


def mentioned(page: Path) -> Iterator[str]:
    """The commands in its text, of which not all is said."""
    yield from _SPAN.findall(_BLOCK.sub("", page.read_text("utf-8")))


@cache
def _known() -> dict[str, Any]:
    found: dict[str, Any] = cast("Any", typer.main.get_command(cli)).commands
    return found


def _check(line: str, *, whole: bool) -> None:
    """Raises what is wrong with a command. `whole`: all of it is there, so it is taken as the command line would."""
    known = _known()
    words = shlex.split(re.split(r" [|>&#] ?| {3,}", line)[0], comments=True)[1:]
    name = words[0]
    if name.startswith("-") or _PLACEHOLDER.search(name):
        return
    assert name in known, f"there is no command {name!r}"
    if whole and not any(_PLACEHOLDER.search(word) for word in words):
        known[name].make_context(name, words[1:])
        return
    options = {option for param in known[name].params for option in (*param.opts, *param.secondary_opts)}
    unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - options - {"--help"}
    assert not unknown, f"{name} has no {unknown}"


@pages
def test_commands_are_those_that_stead_takes(page: Path) -> None:
    wrong: list[str] = []
    for whole, lines in ((True, typed(page)), (False, mentioned(page))):
        for line in lines:
            try:
                _check(line, whole=whole)
            except Exception as error:  # noqa: BLE001 - all of them are said
                wrong.append(f"{line}: {error}")
    assert not wrong, "\n".join(wrong)


def slug(title: str) -> str:
    """A heading's anchor."""
    return re.sub(r"[ -]+", "-", re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title).lower()).strip())


@pages
def test_links_lead_somewhere(page: Path) -> None:
    text = _BLOCK.sub("", page.read_text("utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: there is no such file"
        if anchor and target.suffix == ".md":
            whole = target.read_text("utf-8")
            anchors = {slug(title) for title in re.findall(r"^#+ (.*)$", whole, re.MULTILINE)}
            anchors.update(re.findall(r"^::: (\S+)$", whole, re.MULTILINE))  # what a page of the reference is made from
            assert anchor in anchors, f"{link}: no heading of that name"


@pages
def test_variables_are_those_that_stead_reads(page: Path) -> None:
    others = {"STEAD_URL", "STEAD_HTTP_KEYS", "STEAD_AES_KEYS", "STEAD_AES_KEY"}
    read = {f"STEAD_{name.upper()}" for name in Settings.model_fields} | others
    read |= {f"STEAD_HTTP_{name.upper()}" for name in HttpSettings.model_fields}
    named = set(re.findall(r"\bSTEAD_[A-Z][A-Z_]*[A-Z]", page.read_text("utf-8")))
    assert named <= read, named - read
