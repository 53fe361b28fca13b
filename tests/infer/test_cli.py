"""`score` and `predict` as people start them."""

import json
import os
from pathlib import Path

import pytest

from manifests import tables
from manifests.local import LocalStorage

REPO = Path(__file__).resolve().parents[2]
ONE = {"OMP_NUM_THREADS": "1"}


def rows(out: Path) -> list[dict]:
    table, _ = tables.read_single(LocalStorage(out), "predictions.parquet", "predictions")
    return table.to_pylist()


def test_two_processes_score_as_one(learnable, trained, cli, torchrun, tmp_path):
    words = [f"--root={learnable}", f"--checkpoint={trained}/best.safetensors", "--device=cpu"]
    words += ["--split=test", "--json"]
    two = torchrun(REPO / "clipmill.py", "score", *words, f"--out={tmp_path}/two", "--batch=3")
    one = cli("score", *words, "--out", tmp_path / "one", **ONE)
    out, said = two.communicate(timeout=100)
    assert two.returncode == one.returncode == 0, said + one.stderr
    ours, theirs = json.loads(one.stdout), json.loads(out)
    assert ours.pop("loss") == pytest.approx(theirs.pop("loss"), abs=1e-5)
    assert ours == theirs
    assert (ours["clips"], ours["unlabelled"]) == (9, 1)
    for mine, other in zip(rows(tmp_path / "one"), rows(tmp_path / "two"), strict=True):
        assert mine["clip_id"] == other["clip_id"]
        assert mine["logits"] == pytest.approx(other["logits"], abs=5e-3)
    for name in ("classes.csv", "confusion.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_wrong_use_of_score_writes_nothing(learnable, trained, cli, tmp_path):
    out, checkpoint = tmp_path / "out", trained / "best.safetensors"
    for changed, expected in (
        ({"split": "tests"}, "split 'tests' is not in split set 'default'; expected one of"),
        ({"checkpoint": trained / "metrics.csv"}, "is not a whole safetensors file"),
    ):
        options = {"root": learnable, "checkpoint": checkpoint, "out": out} | changed
        words = [f"--{name}={value}" for name, value in options.items()]
        done = cli("score", "--json", *words, **ONE)
        assert done.returncode == 2, done.stderr
        assert expected in json.loads(done.stdout)["error"]
        assert not out.exists()


def test_predict_ends_with_1_when_a_video_failed(trained, make_video, cli, tmp_path):
    os.link(make_video("a.mp4"), tmp_path / "-a.mp4")
    done = cli(
        *("predict", "--json", "--checkpoint", trained / "best.safetensors"),
        *("--out", tmp_path / "out", "--", tmp_path / "-a.mp4", "gone.mp4"),
        **ONE,
    )
    assert done.returncode == 1, done.stderr
    good, bad = json.loads(done.stdout)["videos"]
    assert len(good["predictions"]) == 3
    assert bad["error"] == "missing"
    assert "warning: gone.mp4: missing" in done.stderr
    assert "\x1b" not in done.stderr
    assert sorted(os.listdir(tmp_path / "out")) == ["-a.json", "-a.mp4", "gone.json"]


def test_an_out_that_cannot_be(trained, make_video, cli, tmp_path):
    (tmp_path / "file").touch()
    words = ["--checkpoint", trained / "best.safetensors", make_video("a.mp4")]
    done = cli("predict", *words, "--out", tmp_path / "file" / "out", **ONE)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{tmp_path}/file/out is, or lies below, a file; expected a folder." in done.stderr
