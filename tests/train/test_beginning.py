"""A run begins with a file's weights, says so, and never imports again."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from manifests import seen
from manifests.errors import ClipmillError
from model import checkpoint
from tests.model import reference

Fit = Callable[..., dict[str, Any]]
OPTIONS: dict[str, Any] = {"model": "r2plus1d_18", "width": 4, "batch": 8, "epochs": 2, "lr": 1e-3}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    shapes = reference.torchvision_shapes(400, (2, 2, 2, 2), False, width=4)
    torch.save(reference.filled(shapes), tmp_path / "published.pth")
    return tmp_path / "published.pth"


def test_the_weights_are_the_files_and_the_head_is_new(
    learnable: Path, fit: Fit, published: Path, tmp_path: Path
) -> None:
    options = OPTIONS | {"epochs": 1, "lr": 1e-12, "optimizer": "sgd", "weight_decay": 0.0}
    fit(learnable, tmp_path / "run", init=str(published), **options)
    kept = checkpoint.load(tmp_path / "run" / "last.safetensors")
    given = torch.load(published, weights_only=True)
    for name in ("stem.0.weight", "layer4.1.conv2.0.3.weight"):
        torch.testing.assert_close(kept.weights[name], given[name])
    assert kept.weights["fc.weight"].shape == (3, 32)
    record = json.loads((tmp_path / "run" / "init.json").read_text())
    assert kept.init == record
    assert record["source"] == str(published)
    assert record["sha256"] == hashlib.sha256(published.read_bytes()).hexdigest()
    assert record["made_anew"] == ["fc.bias", "fc.weight"]
    assert record["matched"] == len(given) - 2
    groups = kept.state["optimizer"]["param_groups"]
    assert max(x["lr"] for x in groups) == pytest.approx(10 * min(x["lr"] for x in groups))


def test_a_run_that_goes_on_does_not_import_again(
    learnable: Path, fit: Fit, same_weights: Callable[..., None], published: Path, tmp_path: Path
) -> None:
    options = OPTIONS | {"init": str(published)}
    fit(learnable, tmp_path / "whole", **options)
    fit(learnable, tmp_path / "parts", **options | {"epochs": 1})
    published.unlink()
    fit(learnable, tmp_path / "parts", resume=True, **options)
    same_weights(*(tmp_path / name / "last.safetensors" for name in ("whole", "parts")))
    assert checkpoint.load(tmp_path / "parts" / "last.safetensors").init["matched"] > 0
    (tmp_path / "parts" / "init.json").unlink()
    with pytest.raises(ClipmillError, match="does not tell what the run began with"):
        fit(learnable, tmp_path / "parts", resume=True, **options)


def test_what_the_weights_had_seen_stays_known(
    learnable: Path, make_root: Callable[..., Path], fit: Fit, tmp_path: Path
) -> None:
    other = make_root(tmp_path / "other", ("train", "test"))
    options = {"width": 4, "batch": 8, "epochs": 1, "lr": 1e-3}
    first = fit(other, tmp_path / "first", **options)
    before = seen.read(first["last"])
    assert before is not None
    stranger = seen.Seen(np.array([7]), np.array([], np.int64), "elsewhere", "default")
    saved = checkpoint.load(first["last"], with_state=False)
    object.__setattr__(saved, "seen", before.after(stranger))
    checkpoint.save(tmp_path / "begin.safetensors", saved)
    options["init"] = str(tmp_path / "begin.safetensors")
    for resume in (False, True):
        options["epochs"] = 1 + resume
        last = fit(learnable, tmp_path / "second", resume=resume, **options)["last"]
        after = seen.read(last)
        assert after is not None and 7 in after.train and len(after.train) == 25
        assert checkpoint.load(last).init["made_anew"] == [], "the labels are the same"


def test_a_wrong_digest_starts_no_run(
    learnable: Path, fit: Fit, published: Path, tmp_path: Path
) -> None:
    wrong = {"init": str(published), "init_sha256": "0" * 64}
    with pytest.raises(ClipmillError, match="nothing in it was read"):
        fit(learnable, tmp_path / "run", **OPTIONS, **wrong)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ClipmillError, match="give --init too"):
        fit(learnable, tmp_path / "run", **OPTIONS, init_sha256="0" * 64)
