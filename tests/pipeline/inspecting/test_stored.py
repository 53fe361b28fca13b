"""What a sheet says of a clip stands in the tar; a damaged tar is an error with its name."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline.inspecting.stored import Shelf, Stored

SPEC = ClipSpec(frames=3, height=16, width=16)
COUNTS = {"frames_decoded": 1999, "packets": 2000, "errors": 1, "rotation": 90}


def taken(dataset: Dataset) -> dict[str, Stored]:
    shelf = Shelf(dataset)
    rows = dataset.parts("samples").to_pylist()
    return {row["clip_id"]: shelf.take(row) for row in rows}


def test_words_of_a_clip(tmp_path, packed_with):
    found = taken(packed_with(tmp_path, SPEC, [("a", "run", "train")], counts=COUNTS))["a"]
    assert (found.clip_id, found.label, found.span) == ("a", "run", "1 s to end")
    assert found.sampling == "frames 10 to 12, stride 1"
    assert found.fps == "25 fps"
    assert found.decoding == "1,999 frames of 2,000 packets, 1 errors, rotation 90°"
    assert [found.moment(place) for place in range(3)] == [
        "10 · 0.40 s",
        "11 · 0.44 s",
        "12 · 0.48 s",
    ]
    assert found.pixels[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_words_where_little_is_known(tmp_path, packed_with):
    clips = [("a", None, "train")]
    found = taken(packed_with(tmp_path, SPEC, clips, fps=None, stride=None, mirrored=True))["a"]
    assert found.label == "(no label)"
    assert found.sampling == "frames 10 to 12, mirrored in time"
    assert (found.fps, found.decoding, found.moment(1)) == ("frame rate unknown", "", "11")


def test_real_clips(built):
    dataset = Dataset.open(str(built))
    clips = {row["clip_id"]: row for row in dataset.clips.to_pylist()}
    outcomes = {row["clip_id"]: row for row in dataset.parts("pack").to_pylist()}
    for clip, found in taken(dataset).items():
        asked = clips[clip]
        assert (found.label, found.about["video_id"]) == (asked["label"], asked["video_id"])
        assert found.about["start_s"] == asked["start_s"]
        assert found.about["counts"]["packets"] == outcomes[clip]["packets"]
        assert found.about["indices"] == found.row["indices"]
        assert found.pixels.shape == dataset.spec.shape
        assert np.ptp(found.pixels) > 50


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (b'"indices": [10, 11, 12]', b'"indices": [10, 1111] ', "names other than 3 frames"),
        (b'"video_id"', b'"video_no"', "has no good video_id"),
        (b'"mirrored": false', b'"mirrored": "no" ', "has no good mirrored"),
    ],
)
def test_json_that_says_something_else(tmp_path, packed_with, codec, before, after, says):
    spec = ClipSpec(frames=3, height=16, width=16, codec=codec)
    dataset = packed_with(tmp_path, spec, [("a", "run", "train")])
    path = tmp_path / "shards" / "train-000000.tar"
    data = path.read_bytes()
    assert before in data
    path.write_bytes(data.replace(before, after.ljust(len(before))[: len(before)]))
    with pytest.raises(ClipmillError, match=rf"train-000000.tar, clip a: its JSON .*{says}"):
        taken(dataset)


def test_damaged_and_lost_shards(tmp_path, built):
    root = Path(shutil.copytree(built, tmp_path / "root"))
    dataset = Dataset.open(str(root))
    row = dataset.parts("samples").to_pylist()[0]
    path = root / "shards" / row["shard"]
    data = bytearray(path.read_bytes())
    data[row["offset"] + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(ClipmillError, match=rf"{row['clip_id']}: its bytes do not have the digest"):
        Shelf(dataset).take(row)
    path.unlink()
    with pytest.raises(ClipmillError, match=rf"{row['shard']}.*missing"):
        Shelf(dataset).take(row)
