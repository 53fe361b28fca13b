"""Every split set in turn: as if trained alone, stopped and gone on from, from one pack."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from infer.splits import score_all
from manifests import annotations, tables
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from manifests.seen import hashes, read, videos_of
from model.world import World
from pipeline.annotate.ucf101 import read_ucf101
from train import loop
from train.options import Options
from train.recipe import resolve
from train.splits import train_all

DOOR = Path(__file__).resolve().parents[2] / "clipmill.py"
ALONE = World(0, 1, torch.device("cpu"))
SETS = ["split1", "split2", "split3"]
PLAIN = {"epochs": 2, "batch": 7, "optimizer": "sgd", "lr": 0.01}
OPTIONS: dict[str, Any] = PLAIN | {"width": 4}
WORDS = [f"--{name}={value}" for name, value in PLAIN.items()]
WORDS += ["--split-set=all", "--width=4", "--device=cpu", "--json"]


def fit_all(root: Path, folder: Path, resume: bool = False, **more) -> dict:
    options = Options(**OPTIONS | more)
    dataset = Dataset.open(str(root))
    return train_all(dataset, options, str(folder), ALONE, resume, Ui(quiet=True))


@pytest.fixture(scope="module")
def runs(three_splits, tmp_path_factory) -> Path:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs") / "all"
    result = fit_all(three_splits, folder)
    torch.set_num_threads(threads)
    assert list(result["split_sets"]) == SETS
    assert {of["epochs"] for of in result["split_sets"].values()} == {2}
    return folder


def finished(folder: Path) -> list[str]:
    return json.loads((folder / "finished.json").read_text())


def test_each_set_is_trained_as_if_alone(runs, three_splits, fit, same_weights, tmp_path):
    assert sorted(os.listdir(runs)) == [".lock", "finished.json", "recipe.toml", *SETS]
    assert finished(runs) == SETS
    fit(three_splits, tmp_path / "alone", split_set="split2", **OPTIONS)
    for name in ("last.safetensors", "best.safetensors"):
        same_weights(runs / "split2" / name, tmp_path / "alone" / name)
    with pytest.raises(AssertionError):
        same_weights(runs / "split1" / "last.safetensors", tmp_path / "alone" / "last.safetensors")


def test_the_folder_of_all_is_gone_on_with_by_resume_alone(runs):
    asked: dict[str, Any] = OPTIONS | {"split_set": "all"}
    assert resolve(None, {}, runs) == Options(**asked)


def test_each_checkpoint_knows_what_it_has_seen(runs, three_splits):
    dataset = Dataset.open(str(three_splits))
    videos = videos_of(dataset)
    for name in SETS:
        seen = read(runs / name / "best.safetensors")
        assert seen is not None
        assert (seen.dataset, seen.split_set) == ("colours", name)
        for split in ("train", "val"):
            clips = [c for c, parts in dataset.splits_of(name).items() if split in parts]
            expected = np.unique(hashes(videos[clip] for clip in clips))
            assert getattr(seen, split).tolist() == expected.tolist()


def test_an_interrupted_set_goes_on_and_finished_ones_stay(
    runs, three_splits, same_weights, tmp_path, monkeypatch
):
    real = loop._between_steps

    def between(session, stop):
        if session.options.split_set == "split2" and session.train.epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        real(session, stop)

    monkeypatch.setattr(loop, "_between_steps", between)
    folder = tmp_path / "all"
    with pytest.raises(KeyboardInterrupt):
        fit_all(three_splits, folder)
    monkeypatch.undo()
    assert finished(folder) == ["split1"]
    first = (folder / "split1" / "last.safetensors").stat()
    with pytest.raises(ClipmillError, match=r"split1 holds a run already. Go on with it by --res"):
        fit_all(three_splits, folder)
    fit_all(three_splits, folder, resume=True)
    again = (folder / "split1" / "last.safetensors").stat()
    assert (first.st_ino, first.st_mtime_ns) == (again.st_ino, again.st_mtime_ns)
    assert finished(folder) == SETS
    for name in SETS:
        same_weights(folder / name / "last.safetensors", runs / name / "last.safetensors")


def test_what_cannot_end_well_does_not_begin(three_splits, runs, fit, make_root, tmp_path):
    folder = tmp_path / "all"
    with pytest.raises(
        ClipmillError, match=r"split 'train' of split1 .* less than one batch of 29"
    ):
        fit_all(three_splits, folder, batch=29)
    with pytest.raises(ClipmillError, match="holds the run of one split set"):
        fit_all(three_splits, runs / "split1")
    (folder / "split3").mkdir(parents=True)
    (folder / "split3" / "last.safetensors").touch()
    with pytest.raises(ClipmillError, match="split3 holds a run already"):
        fit_all(three_splits, folder)
    assert os.listdir(folder) == ["split3"]
    hostile = make_root(tmp_path / "root", ("train",))
    text = (hostile / "dataset.toml").read_text()
    (hostile / "dataset.toml").write_text(text.replace('["default"]', '["../up"]'))
    with pytest.raises(ClipmillError, match=r"split set '../up' of .* cannot name a folder"):
        fit_all(hostile, tmp_path / "hostile")


def lists_of(folder: Path) -> list[str]:
    """Write UCF101's lists of 2 classes with 6 groups; split k tests groups 2k-1 and 2k."""
    folder.mkdir()
    (folder / "classInd.txt").write_text("1 Red\n2 Blue\n")
    names = [(c, g, f"{c}/v_{c}_g{g:02d}_c01.avi") for c in ("Red", "Blue") for g in range(1, 7)]
    for split in (1, 2, 3):
        tested = (2 * split - 1, 2 * split)
        train = [f"{x} {1 + (c == 'Blue')}" for c, g, x in names if g not in tested]
        (folder / f"trainlist0{split}.txt").write_text("\n".join(train))
        test = [x for _, g, x in names if g in tested]
        (folder / f"testlist0{split}.txt").write_text("\n".join(test))
    return [x for _, _, x in names]


def test_no_video_is_decoded_twice_for_three_splits(
    make_video, run_stages, recorded, spec, tmp_path
):
    videos, root = tmp_path / "videos", tmp_path / "root"
    for number, name in enumerate(lists_of(tmp_path / "lists")):
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(make_video("u.avi", hue=30 * number), videos / name)
    found = read_ucf101(tmp_path / "lists", val=0.25, seed=0)
    dataset = annotations.annotate(str(root), found, spec, 0, str(videos))
    run_stages(root, "download", "pack")
    fit_all(root, tmp_path / "runs", epochs=1, batch=2, crop=(16, 16))
    report = score_all(
        Dataset.open(str(root)), tmp_path / "runs", "test", 4, tmp_path / "out", ALONE,
        Ui(quiet=True), 1, 1,
    )  # fmt: skip
    decoded = [file for verb, file, _ in recorded.asked if verb == "decode"]
    assert len(decoded) == len(set(decoded)) == 12
    packed = dataset.parts("pack").to_pylist()
    assert [(row["attempt"], row["status"]) for row in packed] == [(1, "done")] * 12
    assert len(dataset.parts("samples")) == 12
    for name in SETS:
        assert report["split_sets"][name]["leaks"]["train"] == 0
        storage = LocalStorage(tmp_path / "out" / name)
        rows, _ = tables.read_single(storage, "predictions.parquet", "predictions")
        parts = dataset.splits_of(name)
        tested = sorted(clip for clip in parts if "test" in parts[clip])
        assert rows["clip_id"].to_pylist() == tested
        assert len(tested) == 4


def test_one_command_trains_all_and_names_the_next(three_splits, runs, cli, same_weights, tmp_path):
    folder = tmp_path / "all runs"
    done = cli("train", "--root", three_splits, "--run", folder, *WORDS, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)["split_sets"]) == SETS
    assert "split set split2 (2 of 3)" in done.stderr
    assert f"--checkpoint '{folder}' --split-set all --split test" in done.stderr
    for name in SETS:
        same_weights(folder / name / "last.safetensors", runs / name / "last.safetensors")


def test_two_processes_train_and_score_all(three_splits, runs, torchrun, tmp_path):
    folder, out = tmp_path / "all", tmp_path / "out"
    process = torchrun(DOOR, "train", f"--root={three_splits}", f"--run={folder}", *WORDS)
    said, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
    assert list(json.loads(said)["split_sets"]) == finished(folder) == SETS
    for name in SETS:
        mine, alone = (read(x / name / "last.safetensors") for x in (folder, runs))
        assert mine is not None
        assert alone is not None
        assert mine.train.tolist() == alone.train.tolist()
    words = [f"--root={three_splits}", "--split-set=all", "--device=cpu", "--json"]
    process = torchrun(DOOR, "score", f"--checkpoint={folder}", f"--out={out}", *words)
    said, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
    report = json.loads(said)
    assert report == json.loads((out / "metrics.json").read_text())
    assert [report["split_sets"][name]["clips"] for name in SETS] == [9, 9, 9]
