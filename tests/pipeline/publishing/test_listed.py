"""`clipmill listing`: all that verbs read, and a root that is served by it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests import listing
from manifests.dataset import Dataset
from manifests.local import LocalStorage
from pipeline.publishing.listed import files_of, write_listing

Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_every_file_is_listed_with_its_bytes(
    annotated: Callable[..., Dataset], run_stages: Callable[..., object], tmp_path: Path
) -> None:
    root = tmp_path / "root"
    dataset = annotated(root)
    run_stages(root, "download", "decode", "pack")
    (root / "videos" / "ab").mkdir(parents=True)
    (root / "videos" / "ab" / "x.mp4").write_bytes(b"123")
    report = write_listing(dataset)
    told = listing.decode((root / "listing.json").read_bytes(), "x")
    there = {
        path.relative_to(root).as_posix(): path.stat().st_size
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.name != "listing.json"
    }
    assert told == there and report["files"] == len(there)
    assert any(path.startswith("clips/") for path in told) and told["videos/ab/x.mp4"] == 3
    write_listing(dataset)
    assert files_of(LocalStorage(root)) == told, "the listing does not list itself"


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_the_verb(built: Path, tmp_path: Path, cli: Cli, more: tuple[str, ...]) -> None:
    subprocess.run(["cp", "-r", built, tmp_path / "root"], check=True)
    done = cli("listing", "--root", tmp_path / "root", *more)
    assert done.returncode == 0, done.stderr
    files = listing.decode((tmp_path / "root" / "listing.json").read_bytes(), "x")
    if more:
        assert json.loads(done.stdout)["files"] == len(files)
    else:
        assert f"{len(files)} files" in done.stdout + done.stderr
