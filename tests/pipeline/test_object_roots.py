"""The whole small road with its root in an object store: the same shards as in a folder."""

import json
import os
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from joblib.externals.loky import get_reusable_executor
from typer.testing import CliRunner

import clipmill
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import StoppedError
from manifests.spec import ClipSpec
from manifests.storage import open_storage
from pipeline import annotating, running
from pipeline.annotate.folder import read_folder
from tests.objectstore import FaultyProxy, Store, serving

REPO = Path(__file__).resolve().parents[2]
SPEC = ClipSpec(frames=4, rate=2, height=16, width=16)
CLIPS, SHARD_MB = 12, 0.019  # three clips a shard


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with serving(tmp_path_factory.mktemp("scratch")) as store:
        yield store


@pytest.fixture
def environment(
    server: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Sets the variables by which this process and its workers find the store."""

    def apply(**more: str) -> None:
        variables = {"CLIPMILL_SCRATCH": str(tmp_path / "scratch"), "XDG_CACHE_HOME": str(tmp_path)}
        for name, value in server.environment(**variables | more).items():
            monkeypatch.setenv(name, value)
        get_reusable_executor().shutdown(wait=True)  # its workers keep the environment they got

    apply()
    yield apply
    get_reusable_executor().shutdown(wait=True)


@pytest.fixture(scope="module")
def archive(
    tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]
) -> tuple[Path, Path]:
    """Twelve videos of three classes in a zip, and the list of their splits."""
    folder = tmp_path_factory.mktemp("archive")
    lines = ["path,label,split"]
    with zipfile.ZipFile(folder / "my.zip", "w") as out:
        for number in range(CLIPS):
            label = ("run", "jump", "sit")[number % 3]
            name, split = f"{label}/{number}.avi", "train" if number < 9 else "test"
            out.write(make_video("a.avi", frames=60, hue=30 * number), name)
            lines.append(f"{name},{label},{split}")
    (folder / "list.csv").write_text("\n".join(lines))
    return folder / "my.zip", folder / "list.csv"


def annotate(root: str, archive: tuple[Path, Path]) -> None:
    videos, csv = archive
    found = read_folder(videos, csv=csv, val=0, test=0, seed=3, name="mine")
    options = running.Options(jobs=1, retry="failed")
    annotating.annotate(root, found, SPEC, 3, videos, options, Ui(quiet=True))


def run(root: str, *names: str, **options: Any) -> dict[str, Any]:
    ui = Ui(quiet=True)
    chosen = {"jobs": 2, "shard_mb": SHARD_MB} | options
    running.run(root, names, running.Options(**chosen), ui)
    return ui.result


def shards(root: str) -> dict[str, bytes]:
    storage = open_storage(root)
    return {name: storage.read(f"shards/{name}") for name in storage.list("shards")}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, archive: tuple[Path, Path]) -> str:
    """The same data set packed in a folder."""
    root = str(tmp_path_factory.mktemp("local") / "root")
    annotate(root, archive)
    run(root, "download", "pack", jobs=1)
    return root


def verb(*args: object) -> dict[str, Any]:
    """Run a verb in this process; return what it prints as JSON."""
    done = CliRunner().invoke(clipmill.cli, [*map(str, args), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_every_verb_through_errors_and_drops(
    server: Store,
    environment: Callable[..., None],
    archive: tuple[Path, Path],
    local: str,
    tmp_path: Path,
) -> None:
    proxy = FaultyProxy(server.port, fails=41, cuts=59)
    environment(AWS_ENDPOINT_URL=f"http://127.0.0.1:{proxy.port}")
    root = "s3://bucket/data/road"
    annotate(root, archive)
    run(root, "decode", jobs=1)
    run(root, "pack")
    assert shards(root) == shards(local) and len(shards(root)) == 4
    assert not (REPO / "s3:").exists() and not (tmp_path / "s3:").exists()

    assert verb("status", "--root", root)["total"]["packed"] == CLIPS
    checked = verb("verify", "--root", root)
    assert (checked["problems"], checked["samples"]) == ([], CLIPS)
    assert verb("build", "--root", root, "--dry-run")
    verb("inspect", "--root", root, "--random", 2, "--out", tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000

    net = ["--width", "4", "--epochs", "1", "--batch", "4", "--device", "cpu", "--crop", "16"]
    trained = verb("train", "--root", root, "--run", tmp_path / "run", *net)
    where = [
        "--checkpoint",
        tmp_path / "run" / "last.safetensors",
        "--out",
        tmp_path / "score",
        "--device",
        "cpu",
    ]
    scored = verb("score", "--root", root, "--split", "test", *where)
    assert trained and scored["clips"] == 3

    verb("freeze", "--root", root, "--out", tmp_path / "list.parquet")
    assert verb("freeze", "--root", root, "--check", tmp_path / "list.parquet")
    card = verb("card", "--root", root)
    assert card["file"] == f"{root}/README.md"
    assert b"mine" in open_storage(root).read("README.md")
    clip = Dataset.open(root).clips["clip_id"][0].as_py()
    before = len(open_storage(root).list("videos"))
    verb("drop", "--root", root, "--ids", clip, "--delete-videos")
    assert clip not in Dataset.open(root).clips["clip_id"].to_pylist() and before == 0
    checks = verb("doctor", "--root", root, "--no-canary")["checks"]
    assert checks["file system"]["level"] == "ok", checks["file system"]
    assert not open_storage("s3://bucket/data").holds("road/.clipmill-doctor")
    assert proxy.failed > 10 and proxy.cut > 10
    proxy.close()


def test_the_scratch_folder_stays_within_its_bound(
    environment: Callable[..., None], archive: tuple[Path, Path], local: str, tmp_path: Path
) -> None:
    root = "s3://bucket/bounded"
    annotate(root, archive)
    rows = Dataset.open(root).parts("download").to_pylist()
    videos = sum(row["bytes"] for row in rows)
    most = max(row["bytes"] for row in rows) * 5
    assert videos > 2 * most
    environment(CLIPMILL_SCRATCH=str(tmp_path / "small"), CLIPMILL_SCRATCH_GB=str(most / 1e9))
    seen, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.002):
            sizes = [0]
            for entry in (tmp_path / "small").rglob("*"):
                try:
                    sizes.append(entry.stat().st_size if entry.is_file() else 0)
                except FileNotFoundError:
                    continue
            seen.append(sum(sizes))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        run(root, "pack")
    finally:
        ended.set()
        watching.join()
    assert shards(root) == shards(local)
    assert 0 < max(seen) <= most + 4096 + 100  # the scan is no snapshot, the counter has a file
    environment(CLIPMILL_SCRATCH=str(tmp_path / "other"), CLIPMILL_SCRATCH_GB=str(most / 1e9))
    assert verb("verify", "--root", root)["problems"] == []


def test_a_store_that_goes_away_while_packing_and_comes_back(
    server: Store,
    environment: Callable[..., None],
    archive: tuple[Path, Path],
    local: str,
    tmp_path: Path,
) -> None:
    proxy = FaultyProxy(server.port)
    environment(AWS_ENDPOINT_URL=f"http://127.0.0.1:{proxy.port}", CLIPMILL_STORE_PATIENCE="1")
    root = "s3://bucket/away"
    annotate(root, archive)
    command = [sys.executable, str(REPO / "clipmill.py"), "pack", "--root", root, "--jobs", "2"]
    command += ["--shard-mb", str(SHARD_MB), "--json"]
    packing = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPO)},
    )
    end = time.monotonic() + 60
    while not open_storage(root).list("shards") and time.monotonic() < end:
        time.sleep(0.01)
    proxy.open = False
    _, error = packing.communicate(timeout=100)
    if packing.returncode != 0:  # else it was done before
        assert packing.returncode == 3, error
        assert len(re.findall("cannot be reached", error)) == 1 and "Traceback" not in error
    proxy.open = True
    run(root, "pack")
    assert shards(root) == shards(local)
    assert verb("verify", "--root", root)["problems"] == []
    proxy.close()


def test_a_command_says_in_one_line_what_is_wrong(environment: Callable[..., None]) -> None:
    environment(CLIPMILL_STORE_PATIENCE="0.5")
    for root, code, text in (
        ("s3://no-such-bucket/x", 2, "does not exist"),
        ("https://example.org/x?y", 2, "expected the address of a folder"),
        ("s3://bucket/nothing", 2, "holds no dataset.toml"),
    ):
        done = CliRunner().invoke(clipmill.cli, ["status", "--root", root])
        assert done.exit_code == code and text in " ".join(done.output.split())
    environment(AWS_ENDPOINT_URL="http://127.0.0.1:9", CLIPMILL_STORE_PATIENCE="0.5")
    done = CliRunner().invoke(clipmill.cli, ["status", "--root", "s3://bucket/x"])
    assert done.exit_code == 3 and "cannot be reached" in " ".join(done.output.split())
    with pytest.raises(StoppedError):
        Dataset.open("s3://bucket/x")
