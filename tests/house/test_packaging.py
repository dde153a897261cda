"""What is installed is what is here: one namespace over five source roots, all of it typed, all of it in the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
ROOTS = sorted(REPO.glob("*/stead"))
LAYERS = ["app", "entities", "gateway", "orchestrations", "transport"]


def sources() -> set[str]:
    """Everything below the roots that belongs into a wheel, as the wheel names it."""
    return {
        file.relative_to(root.parent).as_posix()
        for root in ROOTS
        for file in root.rglob("*")
        if file.is_file() and not any(part.startswith((".", "__pycache__")) for part in file.relative_to(root).parts)
    }


def test_each_layer_is_a_source_root() -> None:
    assert [root.parent.name for root in ROOTS] == LAYERS
    assert all([found.name for found in root.iterdir() if found.is_dir()] == [root.parent.name] for root in ROOTS)


def test_nothing_lies_directly_in_the_namespace() -> None:
    """An `__init__.py` there hides the other roots in an editable install; any other module there has no types."""
    assert [file for root in ROOTS for file in root.iterdir() if file.is_file()] == []


def test_every_package_is_one_and_is_typed() -> None:
    packages = {file.parent for root in ROOTS for file in root.rglob("*.py")}
    assert packages
    for package in packages:
        assert (package / "__init__.py").is_file(), package
    for root in ROOTS:  # one marker is for all that is inside
        assert (root / root.parent.name / "py.typed").is_file(), root


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution."""
    place = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", place],
        cwd=REPO,
        check=True,
        capture_output=True,
    )
    return place


def test_the_wheel_has_everything_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("stead-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    packaged = {name for name in names if name.startswith("stead/")}
    assert packaged == sources()
    assert any(name.endswith(".lua") for name in packaged)
    assert all(".dist-info/" in name for name in names - packaged)


def test_the_wheel_names_its_addresses(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        said = metadata.PathDistribution(zipfile.Path(archive, name.rpartition("/")[0] + "/")).metadata
    urls = dict(url.split(", ") for url in said.get_all("Project-URL") or [])
    assert set(urls) == {"Homepage", "Release notes"}
    assert all(url.startswith("https://") for url in urls.values())


def test_the_source_distribution_can_be_built_from(built: Path) -> None:
    (sdist,) = built.glob("stead-*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "Makefile", "tests/house/test_packaging.py"} <= names
    here = {file.relative_to(REPO).as_posix() for root in ROOTS for file in root.rglob("*.py")}
    assert here <= names


def test_the_wheel_works_without_the_repository(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("stead-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = "; ".join(
        [
            "import asyncio",
            *(f"import stead.{layer}" for layer in LAYERS),
            "from stead.app import App",
            "from stead.transport import Settings, open_store",
            "from stead.transport._redis import scripts",  # reads the Lua files
            "asyncio.run(open_store('memory://', 'weather', Settings()))",
            "print(stead.transport.__file__)",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)


def test_the_plugin_of_the_wheel_runs_users_tests(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("stead-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    project = tmp_path / "project"
    project.mkdir()
    (project / "pytest.ini").write_text("[pytest]\nstead_app = jobs:app\n")
    (project / "jobs.py").write_text(
        "from stead.app import App\nfrom stead.orchestrations import OrchestrationContext\n"
        'app = App("jobs")\n'
        "@app.activity\nasync def charge(amount: int) -> int:\n    raise RuntimeError('the real one')\n"
        "@app.orchestration\nasync def buy(context: OrchestrationContext, amount: int) -> int:\n"
        "    return await context.call_activity(charge, amount)\n"
    )
    (project / "test_jobs.py").write_text(
        "import stead.app\nfrom jobs import buy, charge\n"
        "async def test_charges(stead_hub):\n"
        "    stead_hub.fake_activity(charge).returns(3)\n"
        "    instance_id = await stead_hub.client.start_new(buy, 12)\n"
        "    assert (await stead_hub.client.wait_for_completion(instance_id)).result() == 3\n"
        "    (call,) = stead_hub.calls(charge)\n"
        "    assert call.args == (12,)\n"
        "    assert 'installed' in stead.app.__file__\n"
        "async def test_shows_why(stead_hub):\n"
        "    instance_id = await stead_hub.client.start_new(buy, 12)\n"
        "    (await stead_hub.client.wait_for_completion(instance_id)).result()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:anyio", "-p", "no:cacheprovider"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed"), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "RuntimeError: the real one" in done.stdout
    assert "TaskFailed #1" in done.stdout, "the last events of its history"


def test_it_is_installed_with_a_command_and_works_from_anywhere(tmp_path: Path) -> None:
    (command,) = metadata.entry_points(group="console_scripts", name="stead")
    assert callable(command.load())
    done = subprocess.run(
        [sys.executable, "-m", "stead.app", "--version"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.split() == ["stead", metadata.version("stead")], done.stderr
