"""Parts of downloads that ended are removed; those that a pending clip needs stay."""

import pytest

from manifests import annotations
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec
from pipeline import outcome
from pipeline.acquiring.locate import own_stem
from pipeline.fetch.litter import is_unfinished, sweep
from pipeline.fetch.partfile import NOTE, PART


@pytest.fixture
def root(tmp_path):
    names = ["pending", "failed", "done", "gone"]
    clips = [Clip(name, "d", "a", 0, name, f"http://x/{name}.mp4") for name in names]
    splits = [SplitRow("s", name, "train") for name in names]
    found = Annotation("d", clips, [Label(0, "a", "a")], splits, ["s"])
    dataset = annotations.annotate(str(tmp_path), found, ClipSpec(), 0, "")
    rows = [
        outcome.done(name, 1, 0.0, {}) | {"status": name} for name in ("failed", "done", "gone")
    ]
    dataset.append("download", rows)
    return dataset


@pytest.mark.parametrize(
    ("name", "unfinished"),
    [
        ("ID-ab12.mp4", False),
        ("ID_from_4_to_9-ab12.webm", False),
        ("part-temp-ab12.mp4", False),
        ("ID-ab12.mp4.part", True),
        ("ID-ab12.mp4.part.json", True),
        ("ID-ab12.fetch-134.mp4", True),
        ("ID-ab12.fetch-134.mp4.part-Frag7.part", True),
        ("ID-ab12.mp4.ytdl", True),
        ("ID-ab12.mp4.part-Frag7", True),
        ("ID-ab12.temp.mp4", True),
    ],
)
def test_what_is_a_part(name, unfinished):
    assert is_unfinished(name) is unfinished


@pytest.mark.parametrize("ending", [".fetch-134.mp4.part", ".mp4.ytdl", ".mp4.part-Frag3.part"])
def test_what_yt_dlp_leaves_goes_with_its_clip(root, ending):
    for name in ("pending", "gone"):
        root.storage.write(own_stem(f"http://x/{name}.mp4") + ending, b"x")
    assert sweep(root, root.storage) == [own_stem("http://x/gone.mp4") + ending]


def test_only_what_ended_or_nobody_asked_for_goes(root):
    storage, made = root.storage, {}
    for name in ("pending", "failed", "done", "gone", "unknown"):
        made[name] = own_stem(f"http://x/{name}.mp4") + ".mp4"
        for ending in (PART, NOTE):
            storage.write(made[name] + ending, b"x")
    whole = made["done"]
    storage.write(whole, b"video")
    removed = sweep(root, storage)
    ended = [made[name] for name in ("done", "gone", "unknown")]
    assert sorted(removed) == sorted(name + ending for name in ended for ending in (PART, NOTE))
    assert storage.size(made["pending"] + PART) == storage.size(made["failed"] + NOTE) == 1
    assert storage.size(whole) == 5
    assert sweep(root, storage) == []
