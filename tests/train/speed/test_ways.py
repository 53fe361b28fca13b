"""What is taken without a measurement, and that what was chosen can be written down."""

import torch

from train.options import Options
from train.speed.ways import Ways, prepare, usual

CPU = torch.device("cpu")


def test_a_cpu_computes_as_it_always_did():
    assert usual(Options(), CPU) == Ways()
    assert usual(Options(precision="bf16", compile=True), CPU) == Ways("bf16", compiled=True)


def test_choices_are_plain_values_and_unknown_ones_are_passed_over():
    ways = Ways("bf16", channels_last=False, fused=True, tf32=False)
    assert Ways.of(ways.as_dict()) == ways
    assert Ways.of({"precision": "fp16", "of a later clipmill": 1}) == Ways("fp16")


def test_planes_lie_as_was_chosen():
    assert Ways().layout == torch.channels_last_3d
    assert Ways(channels_last=False).layout == torch.contiguous_format


def test_nothing_is_set_for_a_cpu():
    before = torch.backends.cudnn.benchmark
    prepare(Ways(searched=not before), CPU)
    assert torch.backends.cudnn.benchmark == before


def test_the_layout_changes_nothing_but_rounding(
    learnable, fit, same_weights, tmp_path, monkeypatch
):
    options = {"model": "c3d", "optimizer": "sgd", "epochs": 1, "batch": 12, "lr": 1e-3}
    fit(learnable, tmp_path / "one", **options)
    monkeypatch.setattr(
        "train.speed.chosen.usual", lambda *_: Ways(channels_last=False, fused=True)
    )
    fit(learnable, tmp_path / "two", **options)
    same_weights(tmp_path / "one" / "last.safetensors", tmp_path / "two" / "last.safetensors", 1e-5)
    # Going on in the ways of this device, not in those of the one it was begun on.
    fit(learnable, tmp_path / "one", resume=True, **options | {"epochs": 2})
    monkeypatch.undo()
    fit(learnable, tmp_path / "two", resume=True, **options | {"epochs": 2})
    same_weights(tmp_path / "one" / "last.safetensors", tmp_path / "two" / "last.safetensors", 1e-5)
