"""Options are checked where they are born; what a continued run may change is little."""

import dataclasses
from typing import Any

import pytest

from manifests.errors import ClipmillError
from manifests.spec import ClipSpec, Window
from train.options import Options


def options(**values: Any) -> Options:
    return Options(**values)


BOUNDS = {
    "epochs": (1, 100_000),
    "batch": (1, 1_000_000),
    "lr": (1e-12, 100.0),
    "weight_decay": (0.0, 10.0),
    "warmup_epochs": (0.0, 100_000),
    "patience": (0, 100_000),
    "factor": (1e-6, 0.999),
    "label_smoothing": (0.0, 0.99),
    "least_area": (0.01, 1.0),
    "jitter": (0.0, 1.0),
    "hue": (0.0, 0.5),
    "mixup": (0.0, 10.0),
    "ema": (0.0, 0.999999),
    "save_minutes": (0.0, 1e6),
    "save_steps": (0, 1_000_000_000),
    "keep": (1, 1_000_000),
    "log_steps": (1, 1_000_000),
    "seed": (0, 2**32 - 1),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_both_bounds_of_every_number(name):
    low, high = BOUNDS[name]
    for value in (low, high):
        assert getattr(options(**{name: value}), name) == value
    for value in (low - 1, high + 1, float("nan")):
        with pytest.raises(ClipmillError) as error:
            options(**{name: value})
        option = "--" + name.replace("_", "-")
        assert str(error.value) == f"{option} {value}; expected {low} to {high}."


@pytest.mark.parametrize(("name", "value"), [("optimizer", "adamm"), ("schedule", "cosin")])
def test_an_unknown_name_gets_a_guess(name, value):
    with pytest.raises(ClipmillError, match=rf"unknown {name} '{value}'.*Did you mean '\w+'"):
        Options(**{name: value})


def test_the_window_is_all_frames_and_seven_eighths():
    assert Options().window(ClipSpec()) == Window(32, 112, 112)
    assert Options().window(ClipSpec(frames=4, height=20, width=40)) == Window(4, 17, 35)
    assert Options(frames=16, crop=(100, 128)).window(ClipSpec()) == Window(16, 100, 128)


@pytest.mark.parametrize(
    "values", [{"frames": 33}, {"frames": 0}, {"frames": -1}, {"crop": (129, 8)}, {"crop": (0, 0)}]
)
def test_a_window_that_does_not_fit(values):
    with pytest.raises(ClipmillError, match=r"does not fit into stored clips of 32 frames"):
        Options(**values).window(ClipSpec())


CHANGED = {
    "init": "weights.pth",
    "init_sha256": "0123456789abcdef",
    "model": "c3d",
    "width": 8,
    "dropout": 0.5,
    "modality": "motion",
    "planes": "exact",
    "relu": False,
    "frames": 4,
    "crop": (20, 20),
    "split_set": "split2",
    "batch": 9,
    "optimizer": "sgd",
    "lr": 0.5,
    "scale_lr": 64,
    "head_lr": 1.0,
    "momentum": 0.5,
    "weight_decay": 0.1,
    "schedule": "cosine",
    "warmup_epochs": 1.0,
    "patience": 1,
    "factor": 0.5,
    "label_smoothing": 0.1,
    "balance": True,
    "flip": False,
    "least_area": 0.5,
    "jitter": 0.5,
    "ema": 0.9,
    "seed": 1,
    "lanes": 2,
    "tail": "pad",
    "precise_norms": 8,
    "precision": "bf16",
    "hue": 0.1,
    "flip_except": ("left",),
    "mixup": 0.2,
}
FREE = {
    "epochs": 7,
    "save_minutes": 0.0,
    "tracker": ("none",),
    "visdom": "http://there:80",
    "log_steps": 3,
    "test": True,
    "accumulate": 2,
    "recompute": True,
    "compile": True,
    "tune": True,
    "save_steps": 5,
    "keep": 1,
}


def test_continuing_may_change_epochs_and_saving_alone():
    mine: dict[str, Any] = {"crop": (16, 16), "width": 4}
    saved = Options(**mine).as_dict()
    for name, value in FREE.items():
        Options(**(mine | {name: value})).require_same(saved, "last")
    names = {field.name for field in dataclasses.fields(Options)}
    assert names == CHANGED.keys() | FREE.keys() | {"milestones"}
    for name, value in CHANGED.items():
        with pytest.raises(ClipmillError, match=rf"last was started with {name} .*same options"):
            Options(**(mine | {name: value})).require_same(saved, "last")


def test_a_run_of_before_the_networks_settings_stood_with_the_others_goes_on():
    saved = {"batch": 4, "model_options": {"width": 4}}
    Options(batch=4, width=4).require_same(saved, "last")
    with pytest.raises(ClipmillError, match="width 4, now it is 8"):
        Options(batch=4, width=8).require_same(saved, "last")


def test_milestones_belong_to_steps():
    with pytest.raises(ClipmillError, match="--schedule steps with --milestones"):
        Options(schedule="steps")
    with pytest.raises(ClipmillError, match=r"--schedule cosine with --milestones \[4.0\]"):
        Options(schedule="cosine", milestones=(4.0,))


def test_compiling_and_recomputing_are_told_apart():
    with pytest.raises(ClipmillError, match="--compile with --recompute"):
        Options(compile=True, recompute=True)


def test_another_batch_is_taken_where_the_epoch_is_cut_anew():
    saved = Options().as_dict()
    with pytest.raises(ClipmillError, match=r"batch 8, now it is 9.*or add --recut"):
        Options(batch=9).require_same(saved, "last")
    Options(batch=9).require_same(saved, "last", recut=True)
    with pytest.raises(ClipmillError, match=r"seed 0, now it is 1"):
        Options(batch=9, seed=1).require_same(saved, "last", recut=True)
