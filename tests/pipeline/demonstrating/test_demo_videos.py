import av
import numpy as np
import pytest

from manifests.console import Ui
from manifests.errors import StoppedError
from pipeline.annotate.ucf101 import read_ucf101
from pipeline.demonstrating import demo_videos
from pipeline.demonstrating.demo_videos import Item, held_groups, items, lists, make
from pipeline.demonstrating.drawing import SIDE
from pipeline.demonstrating.synthetic import CLASSES, FRAMES, render


def decoded(data, path):
    path.write_bytes(data)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.frames) == ("mpeg4", FRAMES)
        frames = list(container.decode(stream))
    assert all(frame.key_frame for frame in frames)
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


def test_a_file_is_the_clip_and_the_same_each_time(tmp_path):
    clip = render("OrbitClockwise", 3, 1)
    data = demo_videos.encode(clip)
    assert data == demo_videos.encode(clip)
    shown = decoded(data, tmp_path / "clip.avi")
    assert shown.shape == (FRAMES, SIDE, SIDE, 3)
    assert np.abs(shown.astype(int) - clip).mean() < 6


def test_the_codec_leaves_no_trace_of_the_order(tmp_path):
    clip = render("MoveLeft", 3, 1)
    there = decoded(demo_videos.encode(clip), tmp_path / "there.avi")
    back = decoded(demo_videos.encode(np.ascontiguousarray(clip[::-1])), tmp_path / "back.avi")
    assert np.array_equal(there, back[::-1])


@pytest.mark.parametrize(("clips", "groups"), [(8, 1), (10, 1), (40, 3), (100, 7), (400, 28)])
def test_the_first_groups_are_test_as_in_ucf101(clips, groups):
    assert held_groups(clips) == groups


def test_the_lists_are_read_as_ucf101s_own_with_whole_groups_apart(tmp_path):
    for name, text in lists(100).items():
        (tmp_path / name).write_text(text)
    found = read_ucf101(tmp_path, val=0.1, seed=0)
    assert found.warnings == []
    assert [label.label for label in found.labels] == list(CLASSES)
    assert len(found.clips) == 800 == len(set(items(100)))
    group = {clip.clip_id: clip.group for clip in found.clips}
    parts = {}
    for row in found.splits:
        parts.setdefault(row.split, set()).add(group[row.clip_id])
    assert {split: len(groups) for split, groups in parts.items()} == {
        "train": 8 * 16,
        "val": 8 * 2,
        "test": 8 * 7,
    }
    assert set.intersection(parts["train"] | parts["val"], parts["test"]) == set()


def test_what_is_there_is_kept_and_what_is_missing_is_made_again(tmp_path, monkeypatch):
    few = [Item("ZoomIn", 1, 1), Item("ZoomOut", 1, 1), Item("MoveUp", 2, 1)]
    monkeypatch.setattr(demo_videos, "items", lambda clips: iter(few))
    assert make(tmp_path, 8, 0, Ui(quiet=True)) == 3
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    names = {str(path.relative_to(tmp_path)) for path in files}
    assert {f"UCF-101/{item.file}" for item in few} < names
    assert names - {f"UCF-101/{item.file}" for item in few} == {
        f"ucfTrainTestlist/{name}" for name in lists(8)
    }
    for item in few:
        clip = render(item.label, item.group, item.number)
        assert (tmp_path / "UCF-101" / item.file).read_bytes() == demo_videos.encode(clip)
    assert make(tmp_path, 8, 0, Ui(quiet=True)) == 0
    (tmp_path / "UCF-101" / few[1].file).unlink()
    assert make(tmp_path, 8, 0, Ui(quiet=True)) == 1
    assert {path: path.read_bytes() for path in files} == files


def test_ffmpegs_own_words_come_through(monkeypatch):
    command = demo_videos._command

    def broken(path):
        return ["mpeg5" if word == "mpeg4" else word for word in command(path)]

    monkeypatch.setattr(demo_videos, "_command", broken)
    with pytest.raises(StoppedError, match=r"could not write a video.*[Ee]ncoder"):
        demo_videos.encode(render("ZoomIn", 1, 1))
