"""Every command of the README is run as it stands there, by bash, on real videos."""

import functools
import http.server
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest
import torch

from manifests import tables
from manifests.dataset import Dataset
from model.weightsfile import sha256_of
from tests.model import reference
from tests.web import serving

REPO = Path(__file__).resolve().parents[1]
README = (REPO / "README.md").read_text()
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
# What is shortened so that the commands take seconds: passes over train, and the network's size.
SHORTER = (
    (r"--epochs \d+", "--epochs 1"),
    (r"(--model r2plus1d(?:_18)?)(?=\s)", r"\1 --width 4 --frames 4 --crop 16 --batch 4"),
)


def blocks(language: str) -> list[str]:
    return [text for name, text in FENCE.findall(README) if name == language]


def block(language: str, start: str) -> str:
    [found] = [text for text in blocks(language) if text.startswith(start)]
    return found


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    for pattern, replacement in SHORTER:
        script = re.sub(pattern, replacement, script)
    path = folder / "bin"
    path.mkdir(exist_ok=True)
    command = path / "clipmill"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{REPO / "clipmill.py"}" "$@"\n')
    command.chmod(0o755)
    return subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env=os.environ
        | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "XDG_STATE_HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.fixture
def own_videos(tmp_path, make_video) -> Path:
    """Two classes of seven videos, as somebody's own folder."""
    for label in range(2):
        folder = tmp_path / "my_videos" / f"class {label}"
        folder.mkdir(parents=True)
        for number in range(7):
            shutil.copy(make_video("own.mp4", hue=180 * label + number), folder / f"{number}.mp4")
    return tmp_path


def test_own_videos_and_plain_reading(own_videos):
    done = run(block("sh", "clipmill annotate folder --videos"), own_videos)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (own_videos / "runs/mine/score/confusion.png").stat().st_size > 1000
    assert len(list((own_videos / "predictions").glob("*.mp4"))) == 14
    reading = block("python", "import io")
    read = subprocess.run(
        [sys.executable, "-c", reading], cwd=own_videos, capture_output=True, text=True
    )
    assert read.returncode == 0, read.stderr
    assert "(32, 128, 128, 3)" in read.stdout
    looked = run(block("sh", "clipmill inspect"), own_videos)
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert (own_videos / "page.png").stat().st_size > 1000
    assert "load_dataset" in (own_videos / "data/mine/README.md").read_text()


def rar(path: Path, members: dict[str, bytes]) -> bytes:
    """Write a RAR archive of stored files, which no free program does, and return its bytes."""
    found = importlib.util.spec_from_file_location(
        "rars", REPO / "tests/pipeline/archive/conftest.py"
    )
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    writer = module.Rar4
    data = writer.archive([writer.file(name.encode(), text) for name, text in members.items()])
    path.write_bytes(data)
    return data


def last_for_best(script: str) -> str:
    """So few clips leave no val, hence no best checkpoint."""
    return script.replace("best.safetensors", "last.safetensors")


@pytest.mark.shared
def test_ucf101(tmp_path, shared):
    lists = shared / "data/annotations/ucf101/ucfTrainTestlist"
    zipped = tmp_path / "UCF101TrainTestSplits-RecognitionTask.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for path in lists.iterdir():
            archive.write(path, f"ucfTrainTestlist/{path.name}")
    videos = sorted((shared / "data/ucf101_3class").glob("*/*_g0[189]_c01.avi"))
    members = {f"UCF-101/{path.parent.name}/{path.name}": path.read_bytes() for path in videos}
    rar(tmp_path / "UCF101.rar", members)
    done = run(last_for_best(block("sh", "clipmill annotate ucf101")), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "runs/ucf101/score/metrics.json").exists()


def test_all_three_splits(tmp_path, three_splits):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/ucf101").symlink_to(three_splits)
    script = block("sh", "clipmill train --root data/ucf101 --run runs/all")
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mean" in json.loads((tmp_path / "runs/all/score/metrics.json").read_text())


def test_published_weights(tmp_path, learnable):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/ucf101").symlink_to(learnable)
    shapes = reference.torchvision_shapes(400, (2, 2, 2, 2), False, width=4)
    file = tmp_path / "r2plus1d_18-91a641e6.pth"
    torch.save(reference.filled(shapes), file)
    script = block("sh", "clipmill train --root data/ucf101 --run runs/tuned").strip()
    script = script.replace("sha256 91a641e6", f"sha256 {sha256_of(file)[:8]}") + " --epochs 1"
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "made anew" in done.stdout and (tmp_path / "runs/tuned/init.json").exists()


@pytest.mark.shared
def test_hmdb51(tmp_path, shared):
    lists = shared / "data/annotations/hmdb51/testTrainMulti_7030_splits"
    texts = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in lists.iterdir()}
    rar(tmp_path / "test_train_splits.rar", texts)
    inner = {}
    for path in (shared / "data/videos/hmdb51_johnppinto").iterdir():
        label = re.search(r"_(shoot_bow|punch|swing_baseball)_", path.name)
        assert label
        name = f"{label[1]}/{path.name}"
        inner[f"{label[1]}.rar"] = rar(tmp_path / "inner.rar", {name: path.read_bytes()})
    rar(tmp_path / "hmdb51_org.rar", inner)
    done = run(block("sh", "clipmill annotate hmdb51"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert Dataset.open(str(tmp_path / "data/hmdb51")).parts("samples").num_rows == 3


@pytest.mark.shared
def test_kinetics(tmp_path, shared):
    videos = shared / "data/videos/kinetics400_doranlyong"
    (tmp_path / "kinetics600_clips").symlink_to(videos)
    lines = ["label,youtube_id,time_start,time_end,split"]
    for path in sorted(videos.glob("*/*.mp4")):
        video, start, end = path.stem.rsplit("_", 2)
        lines.append(f"{path.parent.name},{video},{int(start)},{int(end)},train")
    (tmp_path / "kinetics600").mkdir()
    (tmp_path / "kinetics600/train.csv").write_text("\r\n".join(lines))
    done = run(block("sh", "clipmill annotate kinetics"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert Dataset.open(str(tmp_path / "data/k600")).parts("samples").num_rows == 4


@pytest.mark.shared
def test_kinetics_from_archives_then_youtube(tmp_path, shared, monkeypatch):
    """A mirror of CVDF's lacks one clip, which a mirror of YouTube has, whole."""
    videos = sorted((shared / "data/videos/kinetics400_doranlyong").glob("*/*.mp4"))
    lines = ["label,youtube_id,time_start,time_end,split"]
    with serving() as site:
        archives: dict[str, list[Path]] = {}
        for number, path in enumerate(videos):
            label, (video, start, end) = path.parent.name, path.stem.rsplit("_", 2)
            if number:
                archives.setdefault(label, []).append(path)
            else:
                start, end = "0", "2"
                site.files[f"/watch/{video}.mp4"] = path
            lines.append(f"{label},{video},{int(start)},{int(end)},train")
        for label, members in archives.items():
            with tarfile.open(tmp_path / "archive.tar.gz", "w:gz") as archive:
                for path in members:
                    archive.add(path, f"{label}/{path.name}")
            at = f"/600/train/{quote(label)}.tar.gz"
            site.files[at] = (tmp_path / "archive.tar.gz").read_bytes()
        urls = [f"https://s3.amazonaws.com/kinetics/600/train/{label}.tar.gz" for label in archives]
        site.files["/600/train/k600_train_path.txt"] = "\n".join(urls).encode()
        (tmp_path / "kinetics600").mkdir()
        (tmp_path / "kinetics600/train.csv").write_text("\n".join(lines))
        monkeypatch.setenv("CLIPMILL_CVDF", site.url)
        monkeypatch.setenv("CLIPMILL_YOUTUBE", f"{site.url}/watch/{{id}}.mp4")
        done = run(block("sh", "clipmill doctor --root data"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    dataset = Dataset.open(str(tmp_path / "data/k600"))
    assert dataset.parts("samples").num_rows == len(videos)
    assert {"cvdf", "mirror"} == set(tables.finished(dataset.parts("download"))["via"].to_pylist())


def test_videos_at_web_addresses(own_videos):
    serve = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(own_videos / "my_videos")
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    lines = [
        f"{base}/{quote(path.parent.name)}/{path.name},{path.parent.name}"
        for path in sorted((own_videos / "my_videos").glob("*/*.mp4"))
    ]
    (own_videos / "addresses.csv").write_text("\n".join(["path,label", *lines]))
    done = run(block("sh", "clipmill annotate folder --csv"), own_videos)
    server.shutdown()
    server.server_close()
    assert done.returncode == 0, done.stdout + done.stderr
    assert Dataset.open(str(own_videos / "data/web")).parts("samples").num_rows == 14


def test_torchrun_line(learnable, tmp_path):
    [line] = [text for text in blocks("") if text.startswith("torchrun")]
    assert line.startswith("torchrun --nproc-per-node 8 --no-python -- clipmill train --root ")
    words = line.replace("\n", " ").replace("--nproc-per-node 8", "--standalone --nproc-per-node 2")
    words = words.replace("data/ucf101", str(learnable)).replace("runs/ucf101", "run")
    script = words.replace("torchrun", f"'{sys.executable}' -m torch.distributed.run", 1)
    options = " --width 4 --epochs 1 --batch 4 --device cpu"
    done = run("export OMP_NUM_THREADS=1\n" + script.strip() + options, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "run/last.safetensors").exists()


def test_the_two_commands_are_the_makefile_s():
    [two] = [text for text in blocks("") if text.startswith("make demo")]
    targets = re.findall(r"^make (\w+)", two, re.M)
    assert targets == ["demo", "test"]
    for target in re.findall(r"`make (\w+)`", README) + targets:
        done = subprocess.run(["make", "-n", target], cwd=REPO, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_every_file_is_in_the_tree():
    tree = README.partition("## The tree")[2]
    listed = set(re.findall(r"[\w.]+\.(?:py|md|cfg|toml|txt|cff)|Makefile", tree))
    skipped = {"__init__.py"}
    for folder in ("manifests", "shards", "pipeline", "model", "train", "infer", "benchmarks"):
        for path in (REPO / folder).rglob("*.py"):
            assert path.name in listed | skipped, f"{path.relative_to(REPO)} is not in the tree"
