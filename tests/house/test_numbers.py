"""Invariants and hazards have numbers: each is written down, each has tests, and no number leads nowhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
CODE = ["app", "benchmarks", "docs", "entities", "examples", "gateway", "orchestrations", "tests", "transport"]
THIS = Path(__file__)

NUMBERS = r"\d+(?:(?:, | and | to )\d+)*"
QUOTED = {
    "hazard": re.compile(rf"\b(?:HAZARDS?|[Hh]azards?) ({NUMBERS})"),
    "invariant": re.compile(rf"\b[Ii]nvariants? ({NUMBERS})"),
}
# Documents that nobody who reads the code has.
ELSEWHERE = re.compile(r"\b(?:DESIGN|reference|house\.md|faults\.md) §|\bHAZARDS-\w|\bDESIGN\.md\b")


def written(word: str) -> list[int]:
    """The numbers that the documentation explains, in its order."""
    if word == "hazard":
        headings = re.findall(r"^### (\d+)\. ", (REPO / "docs/explanation/hazards.md").read_text(), re.MULTILINE)
        return [int(number) for number in headings]
    page = (REPO / "docs/explanation/design.md").read_text().partition("## Invariants")[2]
    return [int(number) for number in re.findall(r"^(\d+)\. \*\*", page, re.MULTILINE)]


def files() -> Iterator[Path]:
    for folder in CODE:
        for suffix in ("py", "lua", "md", "html"):
            yield from sorted((REPO / folder).rglob(f"*.{suffix}"))
    yield from sorted(REPO.glob("*.md"))


def marked(word: str) -> dict[int, list[str]]:
    """Which tests carry which number."""
    found: dict[int, list[str]] = {}
    for file in sorted((REPO / "tests").rglob("test_*.py")):
        for node in ast.parse(file.read_text()).body:
            marks = node.decorator_list if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else [node]
            for mark in marks:
                for number in re.findall(rf"pytest\.mark\.{word}\((\d+)\)", ast.unparse(mark)):
                    found.setdefault(int(number), []).append(file.name)
    return found


@pytest.mark.parametrize("word", QUOTED)
def test_the_numbers_ascend(word: str) -> None:
    """Each once. There may be gaps: a hazard may be known before what it threatens is built."""
    numbers = written(word)
    assert numbers == sorted(set(numbers)) and numbers[:10] == list(range(1, 11))


@pytest.mark.parametrize("word", QUOTED)
def test_each_number_has_a_test_and_no_test_has_another(word: str) -> None:
    assert sorted(marked(word)) == written(word)


@pytest.mark.parametrize("word", QUOTED)
def test_each_number_that_is_quoted_is_written_down(word: str) -> None:
    known = set(written(word))
    lost = [
        f"{file.relative_to(REPO)}: {match[0]}"
        for file in files()
        if file != THIS
        for match in QUOTED[word].finditer(file.read_text())
        if not {int(number) for number in re.findall(r"\d+", match[1])} <= known
    ]
    assert lost == []


def test_no_document_is_quoted_that_is_not_here() -> None:
    lost = [
        f"{file.relative_to(REPO)}: {match[0]}"
        for file in files()
        if file != THIS
        for match in ELSEWHERE.finditer(file.read_text())
    ]
    assert lost == []
