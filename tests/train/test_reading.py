"""Training reads as it is told to: by processes, in lanes, past damaged clips, cut anew."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from model import checkpoint
from shards.reading import Reading
from train.recipe import resolve

REPO = Path(__file__).resolve().parents[2]
OPTIONS: dict[str, Any] = {"batch": 4, "epochs": 2, "lr": 1e-3, "optimizer": "sgd"}
Fit = Callable[..., dict[str, Any]]


def spoil(root: Path, to: Path, clips: int, split: str = "train") -> list[str]:
    """Copy a root, change a byte of some clips of a split and return their ids."""
    shutil.copytree(root, to)
    dataset = Dataset.open(str(to))
    rows = [row for row in dataset.parts("samples").to_pylist() if split in row["shard"]][:clips]
    for row in rows:
        path = to / "shards" / row["shard"]
        data = bytearray(path.read_bytes())
        data[row["offset"] + 40] ^= 1
        path.write_bytes(data)
    return [row["clip_id"] for row in rows]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_weights_are_the_same_for_any_number_of_processes(
    learnable: Path, fit: Fit, same_weights: Callable[..., None], tmp_path: Path, workers: int
) -> None:
    fit(learnable, tmp_path / "alone", **OPTIONS)
    fit(learnable, tmp_path / "several", how=Reading(workers=workers), **OPTIONS)
    same_weights(tmp_path / "alone/last.safetensors", tmp_path / "several/last.safetensors")


def test_lanes_and_a_padded_tail_train(
    learnable: Path, fit: Fit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = OPTIONS | {"batch": 10, "lanes": 2, "tail": "pad", "ui": Ui(verbose=True)}
    fit(learnable, tmp_path / "run", **options)
    assert "clips an epoch come twice, to fill its last batch" in capsys.readouterr().err
    state = checkpoint.load(tmp_path / "run/last.safetensors").state
    assert state is not None and state["stream"]["lanes"] == 2
    with pytest.raises(ClipmillError, match=r"4 lanes do not share a batch of 10 evenly"):
        fit(learnable, tmp_path / "other", **OPTIONS | {"batch": 10, "lanes": 4})


def test_damaged_clips_are_left_out_and_told_of(
    learnable: Path, fit: Fit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    lost = spoil(learnable, root, 2)
    with pytest.raises(ClipmillError, match=rf"clip ({'|'.join(lost)}): its bytes do not"):
        fit(root, tmp_path / "none", **OPTIONS)
    fit(root, tmp_path / "two", how=Reading(bad_samples=2), ui=Ui(), **OPTIONS)
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("2 damaged clips were left out in this epoch; here shard train-") == 2
    with pytest.raises(ClipmillError, match=r"2 bad samples in epoch 1, 1 are allowed"):
        fit(root, tmp_path / "one", how=Reading(bad_samples=1), **OPTIONS)


def test_a_damaged_clip_of_val_is_told_of(
    learnable: Path, fit: Fit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    [lost] = spoil(learnable, root, 1, "val")
    fit(root, tmp_path / "run", how=Reading(bad_samples=1), ui=Ui(), **OPTIONS | {"epochs": 1})
    said = " ".join(capsys.readouterr().err.split())
    assert "1 damaged clip was left out in this epoch; here shard val-" in said and lost in said


@pytest.mark.slow
def test_a_rank_whose_clips_are_all_damaged_takes_part(
    learnable: Path, torchrun: Callable[..., Any], tmp_path: Path
) -> None:
    """Of two ranks with a clip each, one has none: no hang, and both norms go on alike."""
    root = tmp_path / "root"
    spoil(learnable, root, 6)
    words = f"--root={root} --run={tmp_path}/run --width=4 --batch=2 --epochs=1 --device=cpu"
    job = torchrun(REPO / "clipmill.py", "train", *words.split(), "--bad-samples=6")
    _, said = job.communicate(timeout=200)
    assert job.returncode == 0, said
    assert "6 damaged clips were left out" in " ".join(said.split())
    with (tmp_path / "run/metrics.csv").open() as file:
        [row] = csv.DictReader(file)
    assert float(row["train_loss"]) > 0


def test_another_batch_goes_on_where_it_is_asked_to(
    learnable: Path, fit: Fit, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    fit(learnable, run, **OPTIONS | {"epochs": 1})
    with pytest.raises(ClipmillError, match=r"batch 4, now it is 6.*or add --recut"):
        fit(learnable, run, resume=True, **OPTIONS | {"batch": 6})
    fit(learnable, run, resume=True, recut=True, **OPTIONS | {"batch": 6})
    state = checkpoint.load(run / "last.safetensors").state
    assert state is not None
    assert state["stream"]["epoch"] == 2 and state["stream"]["global_batch"] == 6
    assert resolve(None, {}, run).batch == 6, "the next --resume alone goes on so"


def test_a_plateau_s_rate_is_of_the_batch_that_it_is_now(
    learnable: Path, fit: Fit, tmp_path: Path
) -> None:
    asked = OPTIONS | {"schedule": "plateau", "scale_lr": 4, "lr": 0.001}
    fit(learnable, tmp_path, **asked | {"epochs": 1})
    fit(learnable, tmp_path, resume=True, recut=True, **asked | {"batch": 6, "epochs": 2})
    with (tmp_path / "metrics.csv").open() as file:
        assert [float(row["lr"]) for row in csv.DictReader(file)] == pytest.approx([0.001, 0.0015])


@pytest.mark.parametrize("batch", [6, 20])
def test_an_epoch_that_was_begun_is_cut_anew(
    learnable: Path,
    fit: Fit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    batch: int,
) -> None:
    """After two steps of four the rest is read in steps of six, each clip once; of 20 is no rest.

    What was not read is not counted in the rate.
    """
    from manifests.console import Ui
    from train import loop

    seen: list[str] = []
    real = loop.step

    def step(session: Any, replica: Any, batch: Any) -> Any:
        seen.extend(session.train.clip_ids[row] for row in batch.rows)
        result = real(session, replica, batch)
        if session.options.batch == 4 and session.train.step == 2:
            loop.save(session)
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(loop, "step", step)
    run, once = tmp_path / "run", OPTIONS | {"epochs": 1}
    with pytest.raises(KeyboardInterrupt):
        fit(learnable, run, **once)
    assert len(seen) == 8
    fit(learnable, run, resume=True, recut=True, ui=Ui(), **once | {"batch": batch})
    assert "step 0 after the 8 clips before it was cut anew" in capsys.readouterr().err
    total = len(seen)
    assert len(set(seen)) == total and total % batch == 8 % batch
    state = checkpoint.load(run / "last.safetensors").state
    assert state is not None and (state["log"][-1]["clips_per_s"] is not None) == (total > 8)
