"""Which app a command line means, and what is said when it is not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stead.app._console.faults import CommandFault
from stead.app._console.loading import load_app

SOURCE = """
from stead.app import App

app = App("loading")

class Box:
    inner = App("inner-app")

number = 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "loading_here.py").write_text(SOURCE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "loading_here", raising=False)
    return tmp_path


def test_an_app_is_named_by_module_and_attribute(folder: Path) -> None:
    assert load_app("loading_here:app", folder).name == "loading"
    assert load_app("loading_here:Box.inner", folder).name == "inner-app"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("loading_here", "write MODULE:ATTRIBUTE, for example loading_here:app"),
        ("loading_here:", "write MODULE:ATTRIBUTE"),
        (":app", "write MODULE:ATTRIBUTE"),
        ("loading_here.py:app", "write it as a module: loading_here:app"),
        ("./sub/thing.py", "write it as a module: sub.thing:app"),
        ("not_here_at_all:app", "there is no module 'not_here_at_all' in"),
        ("loading_here.sub:app", "there is no module 'loading_here.sub'"),
        ("loading_here:ap", "no attribute 'ap'; try loading_here:app"),
        ("loading_here:Box", "is the class Box, not an App; try loading_here:app"),
        ("loading_here:number", "of type int, not an App"),
    ],
)
def test_a_wrong_name_is_wrong_usage_and_says_what_to_write(folder: Path, reference: str, said: str) -> None:
    with pytest.raises(CommandFault) as caught:
        load_app(reference, folder)
    assert caught.value.status == 2
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import not_here_either", "ModuleNotFoundError: No module named 'not_here_either'"),
        ("x = 1\nx / 0", "line 2"),
        ("from stead.app import App\n\nApp('x')", "line 3"),
        ("def broken(:\n", "SyntaxError"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
    ],
)
def test_a_module_that_fails_says_where(folder: Path, source: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "failing_here.py").write_text(source)
    monkeypatch.delitem(sys.modules, "failing_here", raising=False)
    with pytest.raises(CommandFault) as caught:
        load_app("failing_here:app", folder)
    assert caught.value.status == 1
    assert "importing failing_here failed" in str(caught.value)
    assert said in str(caught.value)
    assert str(folder / "failing_here.py") in str(caught.value)


def test_a_module_without_an_app_says_how_to_make_one(folder: Path) -> None:
    (folder / "empty_here.py").write_text("")
    with pytest.raises(CommandFault, match="defines no App"):
        load_app("empty_here:app", folder)
