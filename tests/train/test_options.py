"""Options are checked where they are born; what a continued run may change is little."""

import dataclasses

import pytest

from manifests.errors import ClipmillError
from manifests.spec import ClipSpec, Window
from train.options import Options

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
    "ema": (0.0, 0.999999),
    "save_minutes": (0.0, 1e6),
    "seed": (0, 2**32 - 1),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_both_bounds_of_every_number(name):
    low, high = BOUNDS[name]
    for value in (low, high):
        assert getattr(Options(**{name: value}), name) == value
    for value in (low - 1, high + 1, float("nan")):
        with pytest.raises(ClipmillError) as error:
            Options(**{name: value})
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


def test_continuing_may_change_epochs_and_saving_alone():
    saved = Options(crop=(16, 16), model_options={"width": 4}).as_dict()
    mine = {"crop": (16, 16), "model_options": {"width": 4}}
    Options(epochs=7, save_minutes=0, **mine).require_same(saved, "last")
    changed = {
        "model": "c3d",
        "model_options": {"width": 8},
        "frames": 4,
        "crop": (20, 20),
        "split_set": "split2",
        "batch": 9,
        "optimizer": "sgd",
        "lr": 0.5,
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
    }
    names = {field.name for field in dataclasses.fields(Options)}
    assert names == changed.keys() | {"epochs", "save_minutes"}
    for name, value in changed.items():
        with pytest.raises(ClipmillError, match=rf"last was started with {name} .*same options"):
            Options(**(mine | {name: value})).require_same(saved, "last")


def test_another_batch_is_taken_where_the_epoch_is_cut_anew():
    saved = Options().as_dict()
    with pytest.raises(ClipmillError, match=r"batch 8, now it is 9.*or add --recut"):
        Options(batch=9).require_same(saved, "last")
    Options(batch=9).require_same(saved, "last", recut=True)
    with pytest.raises(ClipmillError, match=r"seed 0, now it is 1"):
        Options(batch=9, seed=1).require_same(saved, "last", recut=True)
