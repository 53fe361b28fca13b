"""A clip that is not there: the nearest one, or how far it came and why."""

import datetime
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pytest

from manifests.dataset import Dataset
from pipeline.inspecting.missing import _candidates, nearest, not_packed


def say(root: Path, clip: str) -> str:
    dataset = Dataset.open(str(root))
    return str(not_packed(dataset, clip, dataset.parts("samples")["clip_id"]))


def clip_named(root: Path, start: float | None, source: str) -> str:
    rows = Dataset.open(str(root)).clips.to_pylist()
    [found] = [r["clip_id"] for r in rows if r["source"] == source and r["start_s"] == start]
    return found


def test_a_failed_clip_says_its_stage_and_reason(built):
    outside = clip_named(built, 100.0, "file:h.avi")
    text = say(built, outside)
    assert text.startswith(f"clip {outside} is asked for, but not packed: pack says failed, ")
    assert "outside_span (no frame lies between start and end): no frame with 100.0" in text
    assert text.endswith(f"`clipmill build --root {built} --retry failed`.")
    missing = say(built, clip_named(built, None, "file:gone.avi"))
    assert "download says failed, missing (the list names a file that is not there)" in missing


def test_a_pending_clip_says_so(tmp_path, annotated, run_stages):
    annotated(tmp_path)
    clip = clip_named(tmp_path, None, "file:a.avi")
    for _ in range(2):
        assert "not packed yet: it is pending. Run `clipmill build" in say(tmp_path, clip)
        run_stages(tmp_path, "download")


def test_a_dropped_clip_says_so(tmp_path, built):
    root = Path(shutil.copytree(built, tmp_path / "root"))
    clip = clip_named(root, None, "file:a.avi")
    moment = datetime.datetime.now(datetime.UTC)
    Dataset.open(str(root)).append("dropped", [{"id": clip, "dropped_at": moment}])
    assert f"clip {clip} was dropped from {root}" in say(root, clip)


def test_an_unknown_clip_names_the_nearest(built):
    clip = clip_named(built, None, "file:a.avi")
    for wrong in (clip[:-1] + "_", clip.upper(), clip[:-4], clip[3:]):
        text = say(built, wrong)
        assert text == (
            f"unknown clip {wrong!r}; expected the clip_id of one of 12 clips. "
            f"Did you mean {clip!r}?"
        )
    for odd in ("", "%", "zzzz", "日本"):
        assert say(built, odd).startswith(f"unknown clip {odd!r}")


def test_nearest():
    assert nearest("punsch", ["Punch", "PushUps"]) == " Did you mean 'Punch'?"
    assert nearest("ups", ["Punch", "PushUps"]) == " Did you mean 'PushUps'?"
    assert nearest("", ["Punch"]) == nearest("xyz", ["Punch"]) == nearest("x", []) == ""


@pytest.mark.parametrize("typed", ["vid0077777_000000_000010-zz", "vid0077777_000001_000011-12fd0"])
def test_many_ids_are_no_matter(typed):
    ids = pa.chunked_array([[f"vid{n:07d}_000001_000011-{n:04x}" for n in range(200_000)]])
    before = time.monotonic()
    assert nearest(typed, _candidates(ids, typed)).startswith(" Did you mean 'vid00777")
    assert time.monotonic() - before < 10
