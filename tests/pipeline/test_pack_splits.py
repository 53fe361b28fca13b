"""One pack for several split sets: clips that are in no split of the first set are packed too."""

import os
from collections import Counter
from pathlib import Path

from manifests import annotations
from pipeline.annotate.hmdb51 import read_hmdb51
from pipeline.status import status
from shards.stream import read_samples

# Six videos of two clips; what split 1 leaves unused split 2 trains on, and the other way round.
FLAGS = {1: "112200", 2: "001122"}


def lists_of(folder: Path) -> list[str]:
    folder.mkdir()
    names = [f"film{v}_kick_f_cm_np1_le_med_{c}.avi" for v in range(6) for c in range(2)]
    for split, flags in FLAGS.items():
        lines = [f"{name} {flags[place // 2]} " for place, name in enumerate(names)]
        (folder / f"kick_test_split{split}.txt").write_text("\n".join(lines))
    return names


def test_what_the_first_set_leaves_unused_is_packed_once_for_the_others(
    make_video, run_stages, recorded, spec, tmp_path
):
    videos, root = tmp_path / "videos", tmp_path / "root"
    (videos / "kick").mkdir(parents=True)
    for number, name in enumerate(lists_of(tmp_path / "lists")):
        os.link(make_video("u.avi", hue=30 * number), videos / "kick" / name)
    found = read_hmdb51(tmp_path / "lists", val=0, seed=0)
    dataset = annotations.annotate(str(root), found, spec, 0, str(videos))
    run_stages(root, "download", "pack")
    assert Counter(verb for verb, *_ in recorded.asked)["decode"] == 12
    assert len({file for verb, file, _ in recorded.asked if verb == "decode"}) == 12
    shards = dataset.parts("shards").to_pylist()
    assert Counter(row["split"] for row in shards for _ in range(row["samples"])) == {
        "train": 4,
        "test": 4,
        "unsplit": 4,
    }
    for number, flags in FLAGS.items():
        for flag, split in (("1", "train"), ("2", "test")):
            expected = [clip.clip_id for clip in found.clips if flags[int(clip.source[14])] == flag]
            samples = read_samples(dataset, split, f"split{number}")
            assert samples.clip_ids == sorted(expected)
            assert len(expected) == 4
    again = run_stages(root, "pack")
    assert Counter(verb for verb, *_ in recorded.asked)["decode"] == 12, again
    report = status(dataset, "split2")
    expected = {"asked": 4, "acquired": 4, "packed": 4, "failed": 0}
    assert report["splits"]["unsplit"].items() >= expected.items()
