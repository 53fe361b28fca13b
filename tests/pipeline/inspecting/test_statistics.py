"""The statistics agree with the tables, counted here row by row."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline.inspecting.statistics import statistics

SPEC = ClipSpec(frames=2, height=16, width=16)


def test_a_built_root(built):
    dataset = Dataset.open(str(built))
    found = statistics(dataset, None, None)
    samples = dataset.parts("samples").to_pylist()
    split_of = {row["clip_id"]: row["split"] for row in dataset.splits.to_pylist()}
    labels = {row["clip_id"]: row["label"] for row in dataset.clips.to_pylist()}
    assert {name: entry["clips"] for name, entry in found["splits"].items()} == Counter(
        split_of.values()
    )
    assert list(found["splits"]) == ["train", "val", "test"]
    for split, entry in found["splits"].items():
        own = [row for row in samples if split_of[row["clip_id"]] == split]
        assert entry["samples"] == len(own)
        assert entry["shards"] == len({row["shard"] for row in own})
        assert entry["bytes"] == sum(row["nbytes"] for row in own)
    assert found["classes"]["of"] == Counter(labels[row["clip_id"]] for row in samples)
    stored = found["stored"]
    assert stored["samples"] == 10
    assert stored["shards"] == stored["root_shards"] == len(dataset.parts("shards"))
    assert stored["root_bytes"] == sum(p.stat().st_size for p in (built / "shards").iterdir())
    assert stored["frames"] == 10 * dataset.spec.frames
    assert stored["strides"] == {
        str(stride): count for stride, count in Counter(r["stride"] for r in samples).items()
    }
    assert stored["mirrored"] == 0
    sources = found["sources"]
    assert (sources["clips"], sources["files"]) == (11, 9)
    assert sources["fps"] == {"25.0": 11}
    assert sources["size"] == {"32x48": 11}
    assert sources["codec"] == {"mpeg4": 8, "h264": 3}
    assert sources["duration_s"]["median"] == pytest.approx(0.8, abs=0.05)
    assert found["decoding"]["frames"] == found["decoding"]["packets"] > 0
    assert found["decoding"]["clips"] == 10
    json.dumps(found)


def test_one_split_counts_that_split_alone(built):
    dataset = Dataset.open(str(built))
    found = statistics(dataset, "test", None)
    assert found["splits"].keys() == {"test"}
    assert found["splits"]["test"]["clips"] == found["splits"]["test"]["samples"] == 3
    assert found["stored"]["samples"] == found["sources"]["clips"] == 3
    assert found["decoding"]["clips"] == sum(found["classes"]["of"].values()) == 3
    with pytest.raises(ClipmillError, match="unknown split 'tst'"):
        statistics(dataset, "tst", None)
    with pytest.raises(ClipmillError, match="unknown split set 'x'"):
        statistics(dataset, None, "x")


def test_what_decoding_lost_is_named(tmp_path, built):
    root = Path(shutil.copytree(built, tmp_path / "root"))
    dataset = Dataset.open(str(root))
    row = next(r for r in dataset.parts("pack").to_pylist() if r["status"] == "done")
    lost = {"attempt": row["attempt"] + 1, "frames_decoded": 15, "packets": 20, "errors": 2}
    dataset.append("pack", [row | lost])
    found = statistics(dataset, None, None)["decoding"]
    assert (found["clips_that_lack_frames"], found["worst_clip"]) == (1, row["clip_id"])
    assert (found["worst_kept"], found["errors"], found["clips_with_errors"]) == (0.75, 2, 1)


def test_unlabelled_unsplit_mirrored(tmp_path, packed_with):
    clips = [("a", "run", "train"), ("b", None, "train"), ("c", "jump", "val")]
    found = statistics(packed_with(tmp_path, SPEC, clips, mirrored=True), None, None)
    assert found["classes"]["of"] == {"jump": 1, "run": 1, "(no label)": 1}
    assert found["stored"]["mirrored"] == 3
    assert found["sources"]["duration_s"] is None
    assert found["decoding"]["clips"] == 0


def test_before_packing_the_videos_are_known(tmp_path, annotated, run_stages):
    dataset = annotated(tmp_path)
    with pytest.raises(
        ClipmillError, match=r"no packed clip and no acquired video.*clipmill build"
    ):
        statistics(dataset, None, None)
    run_stages(tmp_path, "download")
    found = statistics(dataset, None, None)
    assert found["sources"]["clips"] == 11
    assert found["splits"]["train"] == {"clips": 8, "samples": 0, "shards": 0, "bytes": 0}
    assert found["classes"]["empty"] == 2
