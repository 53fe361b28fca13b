"""Folders of frames are read as the seed reads them."""

import numpy as np
import torch

from manifests.spec import Window
from shards.benching.setup import Clips, setup_of
from train.benching import jpegs


def test_clips_come_back_as_floats_in_the_order_of_time(learnable, tmp_path):
    setup = setup_of(str(learnable), "train", None, None, None)
    clips = Clips(setup)
    jpegs.write(clips, tmp_path, 6)
    whole = Window(*clips.spec.shape[:3])
    found = jpegs.Folders(tmp_path, whole)
    assert len(found) == 6
    for row in range(6):
        pixels, label = found[row]
        assert pixels.dtype == np.float32 and pixels.shape == (3, 4, 20, 20)
        nearest = min(range(6), key=lambda one: float(np.abs(_planes(clips, one) - pixels).mean()))
        assert clips.places[nearest].label == label
        assert np.abs(_planes(clips, nearest) - pixels).mean() < 12, "JPEG's loss, no more"


def test_batches_never_end(learnable, tmp_path):
    clips = Clips(setup_of(str(learnable), "train", None, None, None))
    jpegs.write(clips, tmp_path, 5)
    batches = jpegs.batches(tmp_path, Window(2, 16, 16), 2, 0)
    for _ in range(5):
        pixels, labels = next(batches)
        assert pixels.shape == (2, 3, 2, 16, 16) and labels.dtype == torch.int64


def test_the_end_of_a_pass_is_no_pause_and_loses_no_clip(learnable, tmp_path):
    clips = Clips(setup_of(str(learnable), "train", None, None, None))
    jpegs.write(clips, tmp_path / "all", 8)
    for folder in sorted(tmp_path.glob("all/*/*")):  # a label each, which says which clip it is
        (tmp_path / "each" / folder.name).mkdir(parents=True)
        folder.rename(tmp_path / "each" / folder.name / "clip")
    for workers in (0, 2):
        batches = jpegs.batches(tmp_path / "each", Window(2, 16, 16), 5, workers)
        labels = torch.cat([next(batches)[1] for _ in range(8)])
        assert labels.bincount().tolist() == [5] * 8


def _planes(clips, row):
    return clips.pixels(row).transpose(3, 0, 1, 2).astype(np.float32)
