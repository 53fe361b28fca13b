"""The loop learns, goes on exactly where it was killed, and says what does not fit."""

import csv
import dataclasses
import io
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from manifests import annotations
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.rows import Annotation, Clip, Label, SplitRow
from model import checkpoint
from model.world import World
from train.loop import train
from train.options import Options
from train.run import Run

REPO = Path(__file__).resolve().parents[2]
LEARNS = {
    "r2plus1d": {"lr": 0.02, "batch": 4, "epochs": 10, "schedule": "cosine"},
    "c3d": {"lr": 0.001, "batch": 4, "epochs": 8, "schedule": "constant"},
}
# Everything that draws random numbers, on a batch that does not divide the 24 clips.
BUSY = {
    "width": 4,
    "dropout": 0.3,
    "frames": 3,
    "batch": 5,
    "epochs": 3,
    "lr": 0.003,
    "schedule": "cosine",
    "warmup_epochs": 0.5,
    "least_area": 0.6,
    "jitter": 0.2,
    "ema": 0.9,
    "seed": 5,
}


def log(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def learned(folder: Path) -> list[list[str]]:
    """The log without the columns that are about time."""
    timed = ("clips_per_s", "waiting", "seconds", "memory_mb")
    return [[value for name, value in row.items() if name not in timed] for row in log(folder)]


@pytest.fixture(scope="module")
def undisturbed(learnable, fit, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    fit(learnable, folder, **BUSY)
    return folder


def started(root: Path, folder: Path, save_minutes: float) -> subprocess.Popen[str]:
    """The same run as BUSY, but longer, in a process of its own."""
    options = {key: value for key, value in BUSY.items() if key not in ("width", "dropout")}
    options |= {"width": 4, "dropout": 0.3, "save_minutes": save_minutes}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    command = [sys.executable, str(REPO / "clipmill.py"), "train", "--device=cpu", *words]
    return subprocess.Popen(
        [*command, f"--root={root}", f"--run={folder}"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 100
    while not path.exists():
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)


@pytest.mark.parametrize("name", LEARNS)
def test_each_network_learns_colours(learnable, fit, tmp_path, name):
    result = fit(learnable, tmp_path / "run", model=name, **LEARNS[name])
    rows = log(tmp_path / "run")
    assert result["best_val_top1"] == 1.0
    assert [row["epoch"] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    tops = [float(row["val_top1"]) for row in rows]
    best = checkpoint.load(result["best"])
    assert best.metrics["epoch"] == tops.index(max(tops)) + 1, "the first of the best"
    assert best.state is None
    last = checkpoint.load(result["last"])
    assert last.metrics["epoch"] == result["epochs"] == LEARNS[name]["epochs"] == len(rows)
    assert last.labels == ("red", "green", "blue")
    assert last.dataset == "colours"
    assert last.state is not None
    assert tomllib.loads((tmp_path / "run" / "recipe.toml").read_text())["batch"] == 4


def test_killed_at_any_step_and_resumed_the_weights_are_the_same(
    learnable, fit, same_weights, undisturbed, tmp_path
):
    folder = tmp_path / "run"
    process = started(learnable, folder, save_minutes=0)
    wait_for(folder / "last.safetensors", process)
    time.sleep(random.uniform(0, 0.5))
    process.kill()
    process.communicate()
    state = checkpoint.load(folder / "last.safetensors").state
    assert state is not None
    fit(learnable, folder, resume=True, **BUSY)
    same_weights(folder / "last.safetensors", undisturbed / "last.safetensors")
    same_weights(folder / "best.safetensors", undisturbed / "best.safetensors")
    assert learned(folder) == learned(undisturbed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_mid_epoch_saves_and_the_run_goes_on(
    learnable, fit, same_weights, undisturbed, tmp_path, number
):
    folder = tmp_path / "run"
    process = started(learnable, folder, save_minutes=1000)
    wait_for(folder / "recipe.toml", process)
    time.sleep(0.1)  # between recipe.toml and the handler lies a moment
    process.send_signal(number)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 130, said
    assert said.rstrip().endswith("Go on with the same command and --resume.")
    if not (folder / "last.safetensors").exists():
        pytest.skip("the signal came before the first step")
    fit(learnable, folder, resume=True, **BUSY)
    same_weights(folder / "last.safetensors", undisturbed / "last.safetensors")
    assert learned(folder) == learned(undisturbed)


def test_kept_every_few_steps_and_when_asked(learnable, fit, same_weights, tmp_path, monkeypatch):
    from train import loop

    real = loop._between_steps

    def between(session, stop):
        if session.train.step == 2:
            os.kill(os.getpid(), signal.SIGUSR1)
        real(session, stop)

    monkeypatch.setattr(loop, "_between_steps", between)
    options = BUSY | {"epochs": 2, "schedule": "steps", "milestones": (1,), "save_minutes": 1000}
    fit(learnable, tmp_path / "run", **options, save_steps=3, keep=9)
    kept = Run(tmp_path / "run").kept()
    assert [*kept] == [8, 6, 4, 3, 2], "3 and 6 by number, 2 and 6 by the signal, 4 and 8 as epochs"
    for number in (3, 6):  # as if killed thereafter
        shutil.copytree(tmp_path / "run", tmp_path / str(number))
        for later in [step for step in kept if step > number]:
            Run(tmp_path / str(number)).at(later).unlink()
        (tmp_path / str(number) / "last.safetensors").unlink()
        fit(learnable, tmp_path / str(number), resume=True, **options)
        last = tmp_path / str(number) / "last.safetensors"
        same_weights(last, tmp_path / "run" / "last.safetensors")


@pytest.mark.parametrize("stop_at", [1, 4, 5])
def test_stopped_after_each_kind_of_step(
    learnable, fit, same_weights, undisturbed, tmp_path, monkeypatch, stop_at
):
    """First, last of an epoch, first of the second: the position is never off by one."""
    from train import loop

    steps, real = [], loop._between_steps

    def between(session, stop):
        steps.append(session.train.step)
        stop.asked = len(steps) == stop_at
        real(session, stop)

    monkeypatch.setattr(loop, "_between_steps", between)
    with pytest.raises(KeyboardInterrupt):
        fit(learnable, tmp_path / "run", **BUSY)
    fit(learnable, tmp_path / "run", resume=True, **BUSY)
    assert len(steps) == 3 * 4, "no step twice"
    same_weights(tmp_path / "run" / "last.safetensors", undisturbed / "last.safetensors")
    assert learned(tmp_path / "run") == learned(undisturbed)


def test_more_epochs_later_and_none_left(learnable, fit, same_weights, tmp_path):
    options = {"batch": 12, "lr": 0.003, "patience": 0}
    fit(learnable, tmp_path / "one", epochs=3, **options)
    fit(learnable, tmp_path / "two", epochs=1, **options)
    fit(learnable, tmp_path / "two", resume=True, epochs=3, **options)
    same_weights(tmp_path / "one" / "last.safetensors", tmp_path / "two" / "last.safetensors")
    before = (tmp_path / "two" / "last.safetensors").read_bytes()
    result = fit(learnable, tmp_path / "two", resume=True, epochs=3, **options)
    assert result["epoch"] == 3
    assert (tmp_path / "two" / "last.safetensors").read_bytes() == before


def test_plateau_takes_the_full_rate_after_the_warm_up(learnable, fit, tmp_path):
    options = {"batch": 12, "lr": 0.003, "warmup_epochs": 1.0, "epochs": 3}
    fit(learnable, tmp_path, **options)
    assert [row["lr"] for row in log(tmp_path)] == ["0.002", "0.003", "0.003"]


def test_plateau_lowers_the_rate_when_the_loss_stands(learnable, fit, tmp_path):
    options = {"batch": 24, "lr": 1e-12, "patience": 0, "epochs": 4, "model": "c3d"}
    fit(learnable, tmp_path, **options, factor=0.5, flip=False, crop=(20, 20))
    rates = [float(row["lr"]) for row in log(tmp_path)]
    assert rates[0] == rates[1] == 1e-12
    assert rates[1] >= rates[2] >= rates[3]
    state = checkpoint.load(tmp_path / "last.safetensors").state
    assert state["plateau"]["patience"] == 0


def test_without_val_the_last_is_all_there_is(make_root, fit, tmp_path):
    root = make_root(tmp_path / "root", ("train",))
    result = fit(root, tmp_path / "run", batch=7, epochs=2)
    assert result["best"] is None
    assert result["best_val_top1"] is None
    assert sorted(os.listdir(tmp_path / "run")) == [
        ".lock",
        "checkpoints",
        "confusions",
        "last.safetensors",
        "metrics.csv",
        "metrics.parquet",
        "recipe.toml",
    ]
    assert [row["val_top1"] for row in log(tmp_path / "run")] == ["", ""]


def test_what_is_left_out_is_said_with_v(learnable, fit, tmp_path):
    said = io.StringIO()
    ui = Ui(verbose=True, _consoles={"stderr": Console(file=said, width=200)})
    fit(learnable, tmp_path / "run", batch=7, epochs=1, ui=ui)
    assert "3 of 24 clips an epoch fill no batch and are left out" in said.getvalue()
    assert "epoch 1/1: 3/3" not in said.getvalue(), "the epoch's own line says it"
    assert said.getvalue().count("epoch 1/1") == 1
    fit(learnable, tmp_path / "run", resume=True, batch=7, epochs=2, ui=ui)
    assert "at epoch 2, step 0" in said.getvalue()


@pytest.mark.parametrize(("batch", "said"), [(7, True), (23, False), (24, False)])
def test_many_clips_left_out_are_said_without_v(learnable, fit, tmp_path, batch, said):
    out = io.StringIO()
    ui = Ui(_consoles={"stderr": Console(file=out, width=200)})
    fit(learnable, tmp_path / "run", batch=batch, epochs=1, ui=ui)
    assert ("are left out; a --batch that divides" in out.getvalue()) is said
    assert "nothing to resume" not in out.getvalue()


def test_nothing_to_resume_is_said(learnable, fit, tmp_path):
    out = io.StringIO()
    ui = Ui(_consoles={"stderr": Console(file=out, width=200)})
    fit(learnable, tmp_path / "run", resume=True, batch=24, epochs=1, ui=ui)
    assert f"nothing to resume: {tmp_path / 'run'} holds no last" in out.getvalue()


def test_val_without_a_packed_clip_is_warned_of(learnable, fit, tmp_path, monkeypatch):
    from shards import stream

    real = stream.read_samples

    def read(dataset, split, split_set):
        return real(dataset, "no such split" if split == "val" else split, split_set)

    monkeypatch.setattr("train.streams.read_samples", read)
    monkeypatch.setattr(stream, "read_samples", read)
    out = io.StringIO()
    ui = Ui(quiet=True, _consoles={"stderr": Console(file=out, width=400)})
    result = fit(learnable, tmp_path / "run", batch=24, epochs=1, ui=ui)
    assert result["best"] is None
    assert "warning: no clip of val is packed" in out.getvalue()


def refused(root, folder, fit, resume=False, **options) -> str:
    with pytest.raises(ClipmillError) as error:
        fit(root, folder, resume=resume, **options)
    assert error.value.exit_code == 2
    return str(error.value)


def test_wrong_use_is_one_sentence(learnable, make_root, fit, tmp_path):
    folder = tmp_path / "run"
    assert "less than one batch of 25. Use --batch 24" in refused(learnable, folder, fit, batch=25)
    assert "does not fit into stored" in refused(learnable, folder, fit, frames=5)
    assert "does not fit into stored" in refused(learnable, folder, fit, crop=(21, 20))
    assert "unknown split set 'two'" in refused(learnable, folder, fit, split_set="two")
    assert "unknown model 'c4d'" in refused(learnable, folder, fit, model="c4d")
    assert not folder.exists()
    fit(learnable, folder, epochs=1, batch=12)
    again: dict[str, Any] = {"epochs": 1, "batch": 12}
    assert "--resume" in refused(learnable, folder, fit, **again)
    text = refused(learnable, folder, fit, resume=True, epochs=1, batch=6)
    assert "started with batch 12, now it is 6" in text
    other = make_root(tmp_path / "other", ("train", "val"))
    shutil.copytree(folder, tmp_path / "copy")
    text = refused(other, tmp_path / "copy", fit, resume=True, epochs=1, batch=12, split_set="x")
    assert "split set 'x'" in text
    best = (folder / "best.safetensors").read_bytes()
    (folder / "last.safetensors").write_bytes(best)
    text = refused(learnable, folder, fit, resume=True, **again)
    assert "holds no training state; it cannot be resumed" in text


def test_train_clips_without_a_label_are_refused(learnable, fit, tmp_path):
    """The same shards under splits that put the unlabelled clip into train."""
    root = tmp_path / "root"
    shutil.copytree(learnable, root)
    old = Dataset.open(str(root))
    rows = old.clips.to_pylist()
    annotation = Annotation(
        "colours",
        [Clip(**row) for row in rows],
        [Label(number, label, label) for number, label in enumerate(old.labels)],
        [SplitRow("default", row["clip_id"], "train") for row in rows],
        ["default"],
    )
    annotations.annotate(str(root), annotation, old.spec, 0, "videos")
    text = refused(root, tmp_path / "run", fit)
    assert text == "train holds clips without a label; put them into another split."


def test_fewer_clips_a_step_than_processes(learnable, tmp_path):
    world = World(0, 3, torch.device("cpu"))
    dataset, run = Dataset.open(str(learnable)), Run(tmp_path)
    with pytest.raises(ClipmillError, match="--batch 2 gives 3 processes nothing to do"):
        train(dataset, Options(batch=2), run, world, False, Ui(quiet=True))


def test_a_diverged_run_ends_with_its_clips_and_saves_nothing_of_it(learnable, fit, tmp_path):
    options = {"model": "c3d", "lr": 100.0, "batch": 4, "epochs": 3, "schedule": "constant"}
    options |= {"optimizer": "sgd", "save_steps": 1, "keep": 99}
    with pytest.raises(ClipmillError, match=r"diverged.*at step \d+.*smaller --lr") as error:
        fit(learnable, tmp_path / "run", **options)
    step = int(re.findall(r"at step (\d+)", str(error.value))[0])
    assert len(re.findall(r"train-\d\d", str(error.value))) == 4
    kept = Run(tmp_path / "run").kept()
    assert max(kept, default=0) < step
    for path in kept.values():
        assert all(x.isfinite().all() for x in checkpoint.load(path).weights.values())


def test_weights_that_are_no_numbers_are_not_saved(learnable, fit, tmp_path, monkeypatch):
    """The loss of a step is of the weights before it: its update may be what has no number."""
    from train import loop

    real = loop.step

    def step(session, replica, batch):
        loss = real(session, replica, batch)
        if session.train.progress == 3:
            next(session.network.parameters()).data[0] = float("nan")
        return loss

    monkeypatch.setattr(loop, "step", step)
    with pytest.raises(ClipmillError, match=r"weights are no finite numbers at step 3, with"):
        fit(learnable, tmp_path / "run", batch=6, epochs=2, save_steps=3)
    assert not Run(tmp_path / "run").candidates()


def test_classes_without_a_clip_are_named(learnable, fit, tmp_path, monkeypatch):
    from train import streams

    real = streams._say_absent

    def say(stream, labels, ui):
        real(stream, [*labels, "yellow"], ui)

    monkeypatch.setattr(streams, "_say_absent", say)
    out = io.StringIO()
    ui = Ui(quiet=True, _consoles={"stderr": Console(file=out, width=400)})
    fit(learnable, tmp_path / "run", batch=24, epochs=1, ui=ui)
    assert "1 of 4 classes have no clip in train and cannot be learned: yellow." in out.getvalue()


def test_a_checkpoint_of_another_network_is_refused(learnable, fit, tmp_path):
    fit(learnable, tmp_path / "run", batch=24, epochs=1)
    fit(learnable, tmp_path / "other", model="c3d", batch=24, epochs=1)
    last = tmp_path / "run" / "last.safetensors"
    other = checkpoint.load(tmp_path / "other" / "last.safetensors")
    text = refused(learnable, tmp_path / "other", fit, resume=True, batch=24, epochs=1)
    assert "was started with model 'c3d', now it is 'r2plus1d'" in text
    state = {**checkpoint.load(last).state}
    checkpoint.save(last, dataclasses.replace(other, state=state))
    text = refused(learnable, tmp_path / "run", fit, resume=True, batch=24, epochs=1)
    assert "expected one and the same network" in text
