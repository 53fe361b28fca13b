"""The verb `train` as people start it: alone, and on two processes under torchrun."""

import csv
import json
import shlex
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from model import checkpoint

REPO = Path(__file__).resolve().parents[2]
DOOR = REPO / "clipmill.py"
# Five clips a step on two processes: the second one has a clip less in each.
UNEVEN = {"model": "c3d", "batch": 5, "epochs": 2, "lr": 0.001, "optimizer": "sgd", "seed": 2}
# Rank 1 is shown to have rank 0's weights, and norms' statistics that are those of all clips.
BOTH_RANKS = """
import sys, torch
from manifests.console import Ui
from manifests.dataset import Dataset
from model.world import joined
from train import loop
from train.options import Options
from train.run import Run

root, out = sys.argv[1:]
ends = []
real = loop._conclude

def conclude(session, *args):
    real(session, *args)
    ends.append(session.network.state_dict())

loop._conclude = conclude
with joined("cpu") as world:
    options = Options(width=4, batch=5, epochs=1, lr=0.01)
    loop.train(Dataset.open(root), options, Run(out), world, False, Ui(quiet=True))
    torch.save(ends[-1], f"{out}/rank{world.rank}.pt")
"""
FAILING = """
from manifests.errors import ClipmillError
from train import loop

real = loop._between_steps

def between(session, stop):
    real(session, stop)
    if session.world.rank == 1:
        raise ClipmillError("only rank 1 " + "knows why")

loop._between_steps = between
import clipmill
clipmill.main()
"""
DYING = """
import os, signal, sys
from train import loop

def first_time():
    return os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"

real = loop._between_steps

def between(session, stop):
    real(session, stop)
    if session.world.rank == 1 and session.train.step == 2:
        os.kill(os.getpid(), signal.SIGKILL)

loop._between_steps = between
import clipmill
clipmill.main()
"""


def words(**options: object) -> list[str]:
    pairs = {"device": "cpu", "width": 4} | options
    return [f"--{name.replace('_', '-')}={value}" for name, value in pairs.items()]


def column(folder: Path, name: str) -> list[float]:
    with (folder / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def alone(learnable, fit, tmp_path_factory) -> Path:
    """One process with the batches that two shall share."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    fit(learnable, folder, **UNEVEN)
    return folder


def test_json_is_the_last_epoch_and_the_next_step_is_named(learnable, cli, tmp_path):
    run = tmp_path / "a run"
    done = cli(
        "train", "--json", *words(root=learnable, run=run, epochs=2, batch=12), OMP_NUM_THREADS="1"
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["epoch"] == result["epochs"] == 2
    assert result["last"] == str(run / "last.safetensors")
    assert result["best"] == str(run / "best.safetensors")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Next: ")]
    best = f"{run}/best.safetensors"
    assert shlex.split(line, comments=True)[1:] == [
        *("clipmill", "score", "--root", str(learnable), "--checkpoint", best),
        *("--split", "test", "--out", f"{run}/score"),
    ]
    assert line.endswith("  # the best on val")
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"batch": 25}, "less than one batch of 25. Use --batch 24 or less"),
        ({"frames": 5}, "does not fit into stored clips of 4 frames"),
        ({"crop": "12x"}, "--crop '12x'; expected SIDE or HEIGHTxWIDTH"),
        ({"device": "gpu"}, "--device 'gpu'; expected auto, cpu, cuda or cuda:N."),
    ],
)
def test_wrong_use_ends_with_2_and_one_sentence(learnable, cli, tmp_path, wrong, expected):
    options = {"root": learnable, "run": tmp_path / "run", "epochs": 1, "batch": 24} | wrong
    done = cli("train", "--json", *words(**options), OMP_NUM_THREADS="1")
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["exit_code"] == 2
    assert not (tmp_path / "run").exists()


def test_a_run_folder_that_is_a_file(learnable, cli):
    options = words(root=learnable, run=DOOR, epochs=1, batch=24)
    done = cli("train", *options, OMP_NUM_THREADS="1")
    assert done.returncode == 2, done.stderr
    assert f"in the folder {DOOR}" in done.stderr
    assert "a file stands where a folder should be" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_processes_do_what_one_does(learnable, torchrun, same_weights, alone, tmp_path):
    run = tmp_path / "run"
    process = torchrun(
        DOOR, "train", "--json", *words(root=learnable, run=run, dropout=0.0, **UNEVEN)
    )
    out, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert json.loads(out)["epoch"] == 2, "rank 0 alone speaks"
    same_weights(run / "last.safetensors", alone / "last.safetensors", 1e-5)
    for name in ("train_loss", "train_top1", "val_loss", "val_top1"):
        assert column(run, name) == pytest.approx(column(alone, name), abs=1e-5)


def test_stopped_on_two_processes_and_resumed_on_one(
    learnable, torchrun, fit, same_weights, alone, tmp_path
):
    run = tmp_path / "run"
    options = UNEVEN | {"epochs": 2000}
    process = torchrun(DOOR, "train", *words(root=learnable, run=run, dropout=0.0, **options))
    until = time.monotonic() + 100
    while not (run / "last.safetensors").exists():
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "interrupted; what was finished is kept" in said
    state = checkpoint.load(run / "last.safetensors").state
    assert state is not None
    reached = state["stream"]["epoch"]
    both = UNEVEN | {"epochs": max(reached, 1) + 1}
    fit(learnable, tmp_path / "whole", **both)
    fit(learnable, run, resume=True, **both)
    same_weights(run / "last.safetensors", tmp_path / "whole" / "last.safetensors", 1e-3)
    assert column(run, "epoch") == list(range(1, both["epochs"] + 1))


def test_both_ranks_have_the_same_weights_and_statistics(learnable, torchrun, fit, tmp_path):
    script, run = tmp_path / "both.py", tmp_path / "run"
    script.write_text(BOTH_RANKS)
    process = torchrun(script, learnable, run)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    first, second = (torch.load(run / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    saved = checkpoint.load(run / "last.safetensors").weights
    assert all(torch.equal(first[name], saved[name]) for name in first)


def test_a_rank_that_fails_ends_the_job_and_its_reason_is_told_once(learnable, torchrun, tmp_path):
    script = tmp_path / "failing.py"
    script.write_text(FAILING)
    options = words(root=learnable, run=tmp_path / "run", batch=4, epochs=2000)
    process = torchrun(script, "train", *options)
    _, said = process.communicate(timeout=100)
    assert process.returncode != 0
    assert said.count("only rank 1 knows why") == 1, said
    cause = said.partition("Root Cause")[2]
    assert "rank      : 1 " in cause and "traceback : only rank 1 knows why" in cause
    assert said.count("another process of this job has ended") == 1
    assert "RuntimeError" not in said


def test_a_job_whose_rank_is_killed_once_goes_on_by_itself(
    learnable, torchrun, same_weights, alone, tmp_path
):
    script, run = tmp_path / "dying.py", tmp_path / "run"
    script.write_text(DYING.replace("step == 2", "step == 2 and first_time()"))
    options = UNEVEN | {"save_steps": 1, "dropout": 0.0}
    process = torchrun(
        *(script, "train", "--resume", *words(root=learnable, run=run, **options)),
        options="--max-restarts=1",
    )
    _, said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    assert "step-00000002.safetensors at epoch 1, step 2" in said, said
    same_weights(run / "last.safetensors", alone / "last.safetensors", 1e-5)
    assert column(run, "train_loss") == pytest.approx(column(alone, "train_loss"), abs=1e-5)


def test_a_rank_that_dies_ends_the_job(learnable, torchrun, tmp_path):
    script = tmp_path / "dying.py"
    script.write_text(DYING)
    options = words(root=learnable, run=tmp_path / "run", batch=4, epochs=2000)
    begun = time.monotonic()
    process = torchrun(script, "train", *options)
    _, said = process.communicate(timeout=100)
    assert process.returncode != 0
    assert time.monotonic() - begun < 90
    assert "SIGKILL" in said or "-9" in said


def test_two_processes_accumulate_and_mix_as_one_does(
    learnable, torchrun, fit, same_weights, tmp_path
):
    """Shares are even, so each clip has the same partner; gradients are exchanged once a step."""
    options: dict[str, Any] = {"model": "c3d", "dropout": 0.0, "optimizer": "sgd", "lr": 0.01}
    options |= {"batch": 12, "epochs": 1, "accumulate": 2, "mixup": 0.4, "hue": 0.1, "jitter": 0.2}
    fit(learnable, tmp_path / "one", **options)
    given = words(root=learnable, run=tmp_path / "two", **options)
    process = torchrun(DOOR, "train", *given)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    same_weights(tmp_path / "one" / "last.safetensors", tmp_path / "two" / "last.safetensors", 1e-5)
