"""Readers that know nothing of clipmill read its shards: tar, and webdataset as people use it."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import webdataset as wds

from manifests.dataset import Dataset
from manifests.spec import ClipSpec, Window
from shards.stream import Stream

CLIPS = [f"c{place:05}" for place in range(9)]


@pytest.fixture(params=["raw", "jpeg"])
def dataset(
    request: pytest.FixtureRequest, tmp_path: Path, spec: ClipSpec, noisy: Callable[..., Dataset]
) -> Dataset:
    return noisy(tmp_path / "root", (4, 3, 2), spec=dataclasses.replace(spec, codec=request.param))


def urls(dataset: Dataset) -> list[str]:
    return sorted(map(str, (Path(dataset.storage.root) / "shards").iterdir()))


def test_tar_lists_and_extracts(dataset: Dataset, tmp_path: Path) -> None:
    extension = {"raw": "npy", "jpeg": "jpg"}[dataset.spec.codec]
    (tmp_path / "out").mkdir()
    for url in urls(dataset):
        subprocess.run(["tar", "xf", url, "-C", tmp_path / "out"], check=True)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"{clip}.{end}" for clip in CLIPS for end in ("cls", "json", extension)}
    if extension == "npy":
        assert np.load(tmp_path / "out" / "c00003.npy").shape == dataset.spec.shape


def test_webdataset_decodes_what_the_stream_gives(dataset: Dataset) -> None:
    """As its documentation says, over all shards, in workers of its loader."""
    pictures = "npy" if dataset.spec.codec == "raw" else "jpg"
    plain = (
        wds.WebDataset(urls(dataset), shardshuffle=False)
        .decode("rgb8")
        .to_tuple("__key__", pictures, "cls", "json")
    )
    found = {}
    for key, pixels, label, about in wds.WebLoader(plain, batch_size=None, num_workers=2):
        found[key] = (np.asarray(pixels).reshape(dataset.spec.shape), label)
        assert about["clip_id"] == key
    stream = Stream(dataset, "train", _whole(dataset), global_batch=len(CLIPS), train=False)
    [batch] = stream
    assert sorted(found) == stream.clip_ids == CLIPS
    for place, clip in enumerate(stream.clip_ids):
        pixels, label = found[clip]
        difference = np.abs(pixels.astype(int) - batch.pixels[place].numpy())
        assert difference.max() <= (0 if dataset.spec.codec == "raw" else 4), "two JPEG decoders"
        assert label == int(batch.labels[place])


def _whole(dataset: Dataset) -> Window:
    return Window(dataset.spec.frames, dataset.spec.height, dataset.spec.width)


SECURE = """
import json, sys, webdataset as wds
assert wds.utils.enforce_security
samples = wds.WebDataset(sys.argv[1:], shardshuffle=False).decode("rgb8")
print(json.dumps([sample["__key__"] for sample in samples]))
"""


def test_nothing_in_a_shard_needs_what_wds_secure_forbids(dataset: Dataset) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SECURE, *urls(dataset)],
        env=os.environ | {"WDS_SECURE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == CLIPS
