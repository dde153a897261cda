"""The name of what a process runs: the same for the same code wherever it lies, another for any other."""

from __future__ import annotations

import os
from pathlib import Path

from stead.entities._worker.program import name_of, neighbours, program


def installed(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / f"{name}.dist-info").mkdir(parents=True)
    return folder


def written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_it_is_the_same_on_another_machine(tmp_path: Path) -> None:
    names: list[str] = []
    for machine in ("one", "two"):
        site = installed(tmp_path / machine / "site", "msgpack-1.0", "pydantic-2.0")
        files = [written(tmp_path / machine / name, name) for name in ("app.py", "model.py")]
        os.utime(files[0], (len(names), len(names)))
        names.append(name_of("3.11", [site], files if names else files[::-1], [], [site]))
    assert names[0] == names[1]


def test_it_is_another_with_another_python_package_or_module_of_the_app(tmp_path: Path) -> None:
    site = installed(tmp_path / "site", "msgpack-1.0")
    newer = installed(tmp_path / "newer", "msgpack-1.1")
    file, mended = written(tmp_path / "a" / "app.py", "broken"), written(tmp_path / "b" / "app.py", "mended")
    names = {
        name_of("3.11", [site], [file], [], [site]),
        name_of("3.12", [site], [file], [], [site]),
        name_of("3.11", [newer], [file], [], [newer]),
        name_of("3.11", [site], [mended], [], [site]),
        name_of("3.11", [site], [file, mended], [], [site]),
    }
    assert len(names) == 5


def test_what_is_imported_of_packages_does_not_matter_nor_what_cannot_be_read(tmp_path: Path) -> None:
    site = installed(tmp_path / "site", "msgpack-1.0")
    lazy, file = written(site / "msgpack" / "lazy.py", "imported late"), written(tmp_path / "app.py", "app")
    gone = tmp_path / "archive.zip" / "module.py"
    assert name_of("3.11", [site], [file, lazy, gone], [], [site]) == name_of("3.11", [site], [file], [], [site])


def test_a_process_has_one() -> None:
    assert program() == program()
    assert bytes.fromhex(program())


def test_modules_that_may_be_imported_later_count_from_the_beginning(tmp_path: Path) -> None:
    """A repair in one of them is another program, as in any other: what waits for it is looked at again."""
    main = written(tmp_path / "shop" / "main.py", "main")
    beside = [
        written(tmp_path / "shop" / "__init__.py", ""),
        written(tmp_path / "shop" / "late.py", "broken"),
        written(tmp_path / "shop" / "deep" / "later.py", "broken"),
        written(tmp_path / "single.py", "broken"),
        written(tmp_path / "other" / "__init__.py", ""),
        written(tmp_path / "other" / "model.py", "broken"),
    ]
    written(tmp_path / "data" / "no_package.py", "")
    assert neighbours({main}) == {main, *beside}
    names = {name_of("3.11", [], [main], neighbours({main}), [])}
    for file in beside[1:4] + beside[5:]:
        file.write_text("mended")
        names.add(name_of("3.11", [], [main], neighbours({main}), []))
    assert len(names) == 5


def test_two_apps_in_one_folder_are_two_programs_before_and_after_a_repair_beside_them(tmp_path: Path) -> None:
    """The one is not blocked for what the other did."""
    folder = tmp_path / "shop"
    one, other = written(folder / "one.py", "one"), written(folder / "other.py", "other")
    late = written(folder / "late.py", "broken")
    names = {name_of("3.11", [], [file], neighbours({file}), []) for file in (one, other)}
    late.write_text("mended")
    names |= {name_of("3.11", [], [file], neighbours({file}), []) for file in (one, other)}
    assert len(names) == 4
