"""What the tests of acquiring share: one's own videos, in a folder and in archives, annotated."""

import importlib.util
import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.spec import ClipSpec
from pipeline import annotating, running
from pipeline.annotate.folder import read_folder

SPEC = ClipSpec(frames=4, rate=2, height=16, width=16)
NAMES = ("run/a.avi", "run/b.avi", "jump/c.avi", "jump/d & [e];.avi")


@pytest.fixture(scope="session")
def assassin() -> type[Any]:
    """benchmarks/assassin.py: no decoder child outlives the opening of a video."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "assassin.py"
    found = importlib.util.spec_from_file_location("clipmill_assassin", path)
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.Assassin


@pytest.fixture
def mine(tmp_path: Path, make_video: Callable[..., Path]) -> Path:
    """A folder of two classes with two videos each."""
    for number, name in enumerate(NAMES):
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(make_video("a.avi", hue=40 * number), path)
    return tmp_path / "mine"


@pytest.fixture
def archived(tmp_path: Path, mine: Path) -> Callable[..., Path]:
    """A maker of archives of `mine`: name, which tells the kind, and a folder above everything."""

    def make(name: str, top: str = "") -> Path:
        files = sorted(path for path in mine.rglob("*") if path.is_file())
        members = {top + path.relative_to(mine).as_posix(): path.read_bytes() for path in files}
        members |= {f"__MACOSX/{top}run/._a.avi": b"mac", f"{top}run/notes.txt": b"text"}
        write_archive(tmp_path / name, members)
        return tmp_path / name

    return make


def write_archive(path: Path, members: dict[str, bytes]) -> None:
    """Write a zip, tar or tar.gz, as its name says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as out:
            for name, data in members.items():
                out.writestr(name, data)
        return
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as out:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))


@pytest.fixture(scope="session")
def write_members() -> Callable[[Path, dict[str, bytes]], None]:
    """A writer of archives: path, whose suffix tells the kind, and names with contents."""
    return write_archive


@pytest.fixture(scope="session")
def annotate_mine() -> Callable[..., None]:
    """Annotate as the verb does: root, folder or archive[, csv]; everything is train."""

    def annotate(root: Path, videos: Path, csv: Path | None = None) -> None:
        found = read_folder(videos, csv=csv, val=0, test=0, seed=0, name="mine")
        options = running.Options(jobs=1, retry="failed")
        annotating.annotate(str(root), found, SPEC, 0, videos, options, Ui(quiet=True))

    return annotate


@pytest.fixture(scope="session")
def rows_of() -> Callable[[Path, str], list[dict[str, Any]]]:
    """Read a growing table of a root."""

    def read(root: Path, table: str) -> list[dict[str, Any]]:
        return Dataset.open(str(root)).parts(table).to_pylist()

    return read


@pytest.fixture(scope="session")
def digests(rows_of: Callable[..., list[dict[str, Any]]]) -> Callable[[Path], dict[str, str]]:
    """Read clip_id -> digest of the pixels of a root."""
    return lambda root: {row["clip_id"]: row["xxh3"] for row in rows_of(root, "samples")}
