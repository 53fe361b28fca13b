"""What a step takes of a batch: the same for a clip wherever it is; of a mixed one both labels."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from manifests.errors import ClipmillError
from model.preprocess import Normalise
from shards.batches import Batch
from shards.draws import clip_keys, uniforms
from shards.windows import RANDOM
from train import augment
from train.inputs import Inputs, inputs, loss_of
from train.options import Options
from train.speed.ways import Ways

LABELS = ("left", "right", "up")
ALL: dict[str, Any] = {"least_area": 0.4, "jitter": 0.4, "hue": 0.2, "mixup": 0.4}


def session(**options: Any) -> Any:
    chosen = Options(**options)
    return SimpleNamespace(
        options=chosen,
        world=SimpleNamespace(device=torch.device("cpu")),
        normalise=Normalise(),
        mirrored=augment.mirrored(LABELS, chosen.flip_except),
        ways=Ways(),
    )


def batch(rows: list[int], epoch: int = 0) -> Batch:
    """Clips by number; -1 is padding."""
    clips = [np.random.default_rng(max(row, 0)).integers(0, 256, (3, 16, 18, 3)) for row in rows]
    random = uniforms(clip_keys(map(str, rows)), 5, epoch, 3, RANDOM)
    labels = [row % 3 if row >= 0 else -1 for row in rows]
    pixels = torch.from_numpy(np.stack(clips).astype(np.uint8))
    return Batch(pixels, torch.tensor(labels), np.array(rows), torch.from_numpy(random))


def test_two_ranks_make_of_their_shares_what_one_makes_of_the_batch():
    one = inputs(session(**ALL), batch([0, 1, 2, 3, 4, 5, 6, 7]))
    two = [inputs(session(**ALL), batch(rows)) for rows in ([0, 1, 2, 3], [4, 5, 6, 7])]
    for field in dataclasses.fields(Inputs):
        parts = torch.cat([getattr(part, field.name) for part in two])
        assert torch.equal(parts, getattr(one, field.name)), field.name
    other = inputs(session(**ALL), batch([0, 1, 2, 3, 4, 5, 6, 7], epoch=1))
    assert not torch.equal(other.clips, one.clips)


def test_padding_changes_no_clip_and_whose_neighbour_it_was_stays_unmixed():
    whole, some = (inputs(session(**ALL), batch(rows)) for rows in ([0, 1, 2], [0, 1, 2, -1]))
    assert torch.equal(whole.clips, some.clips) and len(some.labels) == 3
    torn = inputs(session(**ALL), batch([-1, 1, 2, 3]))
    assert torch.equal(torn.clips[1:], inputs(session(**ALL), batch([8, 1, 2, 3])).clips[2:])
    assert torn.others is not None and torn.others.tolist() == [1, 0, 2]
    plain = inputs(session(**ALL | {"mixup": 0.0}), batch([-1, 1, 2, 3]))
    torch.testing.assert_close(torn.clips[0], plain.clips[0])


def test_a_batch_without_a_clip_stays_whole_and_counts_for_nothing():
    given = inputs(session(**ALL, flip_except=("left",)), batch([-1, -1]))
    assert given.clips.shape[0] == 2 and not given.valid.any()
    loss = loss_of(torch.randn(2, 3), given, slice(0, 2), None, 0.1)
    assert loss.item() == 0


def test_labels_whose_meaning_a_mirror_changes_are_left_alone():
    plain = {"least_area": 1.0, "jitter": 0.0}
    rows = list(range(60))
    some = inputs(session(**plain, flip_except=("left", "right")), batch(rows))
    none = inputs(session(**plain, flip=False), batch(rows))
    every = inputs(session(**plain), batch(rows))
    same = (some.clips == none.clips).flatten(1).all(1)
    assert same[some.labels != 2].all()
    up = some.labels == 2
    assert torch.equal(some.clips[up], every.clips[up]) and 0 < int(same[up].sum()) < 20


def test_an_unknown_label_gets_a_guess():
    with pytest.raises(ClipmillError, match=r"'rihgt'.*Did you mean 'right'"):
        augment.mirrored(LABELS, ("left", "rihgt"))
    assert augment.mirrored(LABELS, ()) is None


def test_the_loss_asks_for_both_labels_in_their_parts():
    torch.manual_seed(0)
    logits, weight = torch.randn(4, 3), torch.tensor([1.0, 2.0, 0.5])
    labels, others = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 0, 0, 0])
    part = torch.tensor([0.5, 0.25, 0.0, 0.3])
    given = Inputs(logits, labels, labels >= 0, others, part)
    truth = functional.one_hot(labels, 3) * (1 - part[:, None])
    truth += functional.one_hot(others, 3) * part[:, None]
    expected = -(truth * weight * logits.log_softmax(1)).sum()
    torch.testing.assert_close(loss_of(logits, given, slice(0, 4), weight, 0.0), expected)
    halves = [
        loss_of(logits[rows], given, rows, weight, 0.1) for rows in (slice(0, 2), slice(2, 4))
    ]
    whole = loss_of(logits, given, slice(0, 4), weight, 0.1)
    torch.testing.assert_close(halves[0] + halves[1], whole)


def test_a_run_with_all_of_it_learns(learnable, fit, tmp_path):
    options = {"jitter": 0.2, "least_area": 0.6, "hue": 0.02, "mixup": 0.2, "flip_except": ("red",)}
    options |= {"lr": 0.02, "batch": 4, "epochs": 6, "schedule": "cosine", "label_smoothing": 0.1}
    result = fit(learnable, tmp_path / "run", **options)
    assert result["best_val_top1"] > 0.6, "a third is guessing"
    with pytest.raises(ClipmillError, match="unknown label in --flip-except 'rde'"):
        fit(learnable, tmp_path / "other", flip_except=("rde",))
