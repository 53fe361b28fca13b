"""A root that a web server gives out: what only reads works, what writes is refused."""

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import clipmill
from manifests.dataset import Dataset
from pipeline.publishing.listed import write_listing
from tests.web import Fault, Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as one:
        yield one


@pytest.fixture
def served(
    site: Site, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Path]:
    """The address of a served root, through some faults, and where it lies."""
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    root = tmp_path / "root"
    shutil.copytree(built, root)
    write_listing(Dataset.open(str(root)))
    for path in root.rglob("*"):
        if path.is_file():
            site.files[f"/data/root/{path.relative_to(root).as_posix()}"] = path
    numbers, faults = itertools.count(1), {7: Fault(status=503), 14: Fault(drop_after=300)}
    site.faults = lambda path, number: faults.get(next(numbers) % 21)
    return f"{site.url}/data/root", root


def verb(*args: object, code: int = 0) -> dict[str, Any]:
    """Run a verb in this process; return what it prints as JSON."""
    done = CliRunner().invoke(clipmill.cli, [*map(str, args), "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def test_verbs_that_read(served: tuple[str, Path], tmp_path: Path) -> None:
    url, root = served
    here, there = (verb("status", "--root", where) for where in (root, url))
    assert there["total"] == here["total"] and there["total"]["packed"] == 10
    assert verb("verify", "--root", url, "--jobs", 1)["problems"] == []
    frozen = [verb("freeze", "--root", where, "--out", tmp_path / "f.parquet") for where in served]
    assert frozen[0]["sha256"] == frozen[1]["sha256"]
    assert verb("freeze", "--root", url, "--check", tmp_path / "f.parquet")
    verb("inspect", "--root", url, "--random", 2, "--out", tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    verb("card", "--root", url, "--out", tmp_path / "card.md")
    verb("repack", "--root", url, "--out", tmp_path / "again", "--jobs", 1)
    assert verb("status", "--root", tmp_path / "again")["total"]["packed"] == 10


@pytest.mark.parametrize(
    "words", ["pack", "decode", "download", "build", "drop --ids x --missing-ok", "listing",
              "card", "verify --fix"]
)  # fmt: skip
def test_verbs_that_write_are_refused(served: tuple[str, Path], site: Site, words: str) -> None:
    site.faults = lambda path, number: None
    said = verb(*words.split(), "--root", served[0], code=2)
    assert "is read-only" in said["error"]


def test_damage_is_found_from_afar(served: tuple[str, Path]) -> None:
    url, root = served
    [shard, *_] = sorted((root / "shards").iterdir())
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    found = verb("verify", "--root", url, "--jobs", 1, code=1)["problems"]
    assert found and all(shard.name in one["where"] for one in found)


def test_doctor(served: tuple[str, Path], site: Site) -> None:
    url, _ = served
    words = ("doctor", "--no-canary", "--root")
    said = json.dumps(verb(*words, url))
    assert "can be read: data set twelve" in said
    del site.files["/data/root/listing.json"]
    done = CliRunner().invoke(clipmill.cli, [*words, url, "--json"])
    assert "lists no files" in done.stdout
