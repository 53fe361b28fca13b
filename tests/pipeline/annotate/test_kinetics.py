"""Kinetics: every way of writing the lists, clips and labels, the real lists, what is told."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import rows
from manifests.errors import ClipmillError
from pipeline.annotate.kinetics import read_kinetics

HEADER = "label,youtube_id,time_start,time_end,split\n"
ONE = "dMzycn1d3qU"
OTHER = "-0l35AkU34_"


def read(folder: Path, *, classes: Path | None = None, **lists: str) -> rows.Annotation:
    for name, text in lists.items():
        (folder / f"{name}.csv").write_text(text)
    return read_kinetics(folder, classes=classes)


def splits(found: rows.Annotation) -> list[tuple[str, str]]:
    return [(row.clip_id, row.split) for row in found.splits]


def test_a_clip(tmp_path: Path) -> None:
    found = read(tmp_path, train=f"{HEADER}yarn spinning,{OTHER},62,72.0,train\n")
    name = "-0l35AkU34__000062_000072"
    assert found.clips == [
        rows.Clip(name, "kinetics", "yarn spinning", 0, OTHER, f"youtube:{OTHER}", 62.0, 72.0)
    ]
    assert found.labels == [rows.Label(0, "yarn spinning", "yarn_spinning")]
    assert found.splits == [rows.SplitRow("official", name, "train")]
    assert found.split_sets == ["official"]


def test_broken_seconds_keep_clips_apart(tmp_path: Path) -> None:
    table = [(ONE, "0.5", "10.5"), (ONE, "0", "10"), (ONE, "0.25", "10"), ("0" + ONE[1:], 0.5, 10)]
    lines = "".join(f"a,{video},{start},{end},val\n" for video, start, end in table)
    ids = [clip.clip_id for clip in read(tmp_path, val=HEADER + lines).clips]
    assert len(set(ids)) == 4 and ids[1] == f"{ONE}_000000_000010"
    assert ids[0].startswith(f"{ONE}_0_5_10_5-")
    assert all(rows.CLIP_ID.fullmatch(key) and len(key) <= rows.MAX_CLIP_ID for key in ids)


def test_labels_stay_apart_and_are_sorted_by_codepoint(tmp_path: Path) -> None:
    names = ["b", "B (in game)", "b (in game)", "b in game", "Z", "é", "massaging person's head"]
    lines = "".join(f"{name},{n:011d},0,10,train\n" for n, name in enumerate(names))
    found = read(tmp_path, train=HEADER + lines)
    assert [label.label for label in found.labels] == sorted(names)
    assert len({label.slug for label in found.labels}) < len(names)
    assert {clip.label for clip in found.clips} == set(names)
    assert all(found.labels[clip.label_id or 0].label == clip.label for clip in found.clips)


def test_a_class_file_fixes_the_numbers(tmp_path: Path) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("zumba\napplauding\nyoga\n")
    found = read(tmp_path, val=f"{HEADER}applauding,{ONE},0,10,val\n", classes=classes)
    assert [label.label for label in found.labels] == ["zumba", "applauding", "yoga"]
    assert found.clips[0].label_id == 1
    with pytest.raises(ClipmillError, match=r"val.csv:2: label 'aplauding'.*3 in the class list"):
        read(tmp_path, val=f"{HEADER}aplauding,{ONE},0,10,val\n", classes=classes)


def test_rows_said_again(tmp_path: Path) -> None:
    lines = [f"a,{ONE},0,10,train", f"b,{ONE},1,11,train", f"a,{ONE},0.0,10.0,train"]
    found = read(tmp_path, train=HEADER + "\n".join(lines))
    assert len(found.clips) == len(found.splits) == 2
    assert "1 rows say again what another row says; each counts once" in found.notes
    assert any("1 videos have clips of several classes" in note for note in found.notes)


def test_the_first_of_two_labels_is_kept(tmp_path: Path) -> None:
    lines = [f"b,{ONE},0,10,train", f"a,{ONE},0,10,train", f"a,{OTHER},0,10,train"]
    found = read(tmp_path, train=HEADER + "\n".join(lines))
    assert [clip.label for clip in found.clips] == ["b", "a"]
    assert any(f"train.csv:3 {ONE}_000000_000010" in text for text in found.warnings)


def test_leaks_between_splits_are_told(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        train=f"{HEADER}a,{ONE},0,10,train\n",
        val=f"{HEADER}a,{ONE},5,15,val\na,{OTHER},0,10,val\n",
        test=f"youtube_id,time_start,time_end,split\n{OTHER},0,10,test\n",
    )
    assert any(text.startswith("1 videos have clips in train and in val") for text in found.notes)
    assert any(text.startswith("1 clips are in val and in test") for text in found.warnings)
    assert len(found.clips) == 3
    assert [clip.label for clip in found.clips] == ["a", "a", "a"]  # test knows val's label
    assert (f"{OTHER}_000000_000010", "val") in splits(found)
    assert (f"{OTHER}_000000_000010", "test") in splits(found)


def test_a_label_said_later_is_the_clips(tmp_path: Path) -> None:
    found = read(tmp_path, all=f"{HEADER},{ONE},0,10,test\na,{ONE},0,10,val\n")
    assert [clip.label for clip in found.clips] == ["a"]


def test_bad_lines_of_all_lists_are_counted_together(tmp_path: Path) -> None:
    good, bad = f"{HEADER}a,{ONE},0,10,val\n", "a,short,0,10,val\n"
    with pytest.raises(ClipmillError, match=r"train.csv:3: youtube_id 'short'.* 3 lines are bad"):
        read(tmp_path, val=good + bad, train=good + bad * 2)


def test_a_test_alone_has_no_labels(tmp_path: Path) -> None:
    found = read(tmp_path, test=f"youtube_id,time_start,time_end\n{ONE},0,10\n")
    assert found.labels == [] and found.clips[0].label is None
    assert any("no list has labels" in text for text in found.warnings)


def test_an_unlikely_number_of_classes_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "kinetics600"
    folder.mkdir()
    found = read(folder, val=f"{HEADER}a,{ONE},0,10,val\n")
    assert found.name == "kinetics600"
    assert any("has 600 classes and this has 1" in text for text in found.warnings)
    with pytest.raises(ClipmillError, match=r"unknown version of Kinetics '500'"):
        read_kinetics(folder, version="500")  # type: ignore[arg-type]


def test_the_row_says_the_split(tmp_path: Path) -> None:
    found = read(tmp_path, val=f"{HEADER}a,{ONE},0,10,val\na,{OTHER},0,10,train\n")
    assert dict(splits(found))[f"{OTHER}_000000_000010"] == "train"
    assert any("1 rows say another split than the file's name" in text for text in found.notes)


# Lists in every way in which they were seen written, and some more.
LABELS = st.sampled_from(
    [
        "abseiling", "passing American football (in game)", "massaging person's head",
        'saying "cheese"', "rock, paper, scissors", "tai chi", "Mädchen", "headbanging",
    ]
)  # fmt: skip
IDS = st.from_regex(r"[A-Za-z0-9_-]{11}", fullmatch=True)
TABLE = st.lists(
    st.tuples(LABELS, IDS, st.integers(0, 20_000), st.sampled_from(["train", "val", "test"])),
    min_size=1,
    max_size=60,
    unique_by=lambda row: row[1],
)
TIMES = st.sampled_from(["{}", "{}.0", "{:03d}", "{}.", "{}.000"])
NAMES = ["label", "youtube_id", "time_start", "time_end", "split"]


@st.composite
def written(draw: st.DrawFn, table: list[tuple[str, str, int, str]]) -> bytes:
    """The bytes of a CSV that says what `table` says."""
    header, flagged = draw(st.booleans()), draw(st.booleans())
    order = [*NAMES, *(["is_cc"] if flagged else [])]
    # Without names, a flag and a class of eleven letters are known by their usual places.
    plain = not flagged and not any(label == "headbanging" for label, *_ in table)
    if header or plain:
        order = draw(st.permutations(order))
    handle = io.StringIO(newline="")
    writer = csv.writer(
        handle,
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )
    if header:
        spelling = draw(st.sampled_from([str, str.upper, str.title]))
        writer.writerow([spelling(name) for name in order])
    time, val = draw(TIMES), draw(st.sampled_from(["val", "validate", "validation"]))
    for label, video, start, split in table:
        cells = {"label": label, "youtube_id": video, "split": val if split == "val" else split}
        cells |= {"time_start": time.format(start), "time_end": time.format(start + 10)}
        cells["is_cc"] = "0"
        writer.writerow([cells[name] for name in order])
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    return handle.getvalue().encode(encoding)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_way_of_writing_a_list_gives_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    table = data.draw(TABLE)
    path = tmp_path_factory.mktemp("k") / "list.csv"
    path.write_bytes(data.draw(written(table)))
    found = read_kinetics(path)
    split_of = dict(splits(found))
    assert [
        (clip.label, clip.video_id, clip.start_s, clip.end_s, split_of[clip.clip_id])
        for clip in found.clips
    ] == [
        (label, video, float(start), float(start + 10), split)
        for label, video, start, split in table
    ]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text("abc,0123\n\"' .-", max_size=200).map(str.encode))
def test_any_bytes_are_a_list_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.mktemp("k") / "list.csv"
    path.write_bytes(raw)
    with pytest.raises(ClipmillError) as caught:
        read_kinetics(path)
    assert str(path) in str(caught.value)
    str(caught.value).encode()  # it can be printed


@pytest.mark.shared
def test_the_real_lists_of_kinetics_600(shared: Path) -> None:
    found = read_kinetics(shared / "data/annotations/kinetics600/activitynet")
    val = {row.clip_id for row in found.splits if row.split == "val"}
    clips = [clip for clip in found.clips if clip.clip_id in val]
    assert found.name == "kinetics600" and len(found.labels) == 600
    assert len(clips) == 30_000 and len(found.clips) == len(found.splits) == 102_924
    assert sum(clip.video_id.startswith("-") for clip in clips) == 744
    assert sum(clip.label is None for clip in found.clips) == 72_924
    assert found.notes[0] == "val: 30,000 clips, as in the first release"
    assert any(note.startswith("6 videos have clips of several classes") for note in found.notes)
    assert any(note.startswith("28 videos have clips in val and in test") for note in found.notes)
    assert not found.warnings
    spun = {clip.clip_id: clip.label for clip in clips if clip.video_id == ONE}
    assert spun == {
        f"{ONE}_000001_000011": "weaving fabric",
        f"{ONE}_000000_000010": "yarn spinning",
    }


@pytest.mark.shared
@pytest.mark.parametrize(
    ("folder", "name", "clips", "classes"),
    [
        ("kinetics400", "kinetics400", 19_906, 400),
        ("kinetics600/rocksyne", "kinetics600", 84_775, 600),
        ("kinetics700", "kinetics700", 33_909, 700),
    ],
)
def test_other_real_lists(shared: Path, folder: str, name: str, clips: int, classes: int) -> None:
    found = read_kinetics(shared / "data/annotations" / folder)
    assert (found.name, len(found.clips), len(found.labels)) == (name, clips, classes)
    assert not found.warnings


@pytest.mark.shared
def test_a_published_label_map_is_the_sorted_order(shared: Path) -> None:
    folder = shared / "data/annotations/kinetics600"
    lists, classes = folder / "activitynet", folder / "mmaction2/label_map_k600.txt"
    assert read_kinetics(lists, classes=classes).labels == read_kinetics(lists).labels


@pytest.mark.shared
def test_two_releases_in_one_folder_are_told(shared: Path) -> None:
    with pytest.raises(ClipmillError, match=r"2 lists of test: 'activitynet/.*', 'rocksyne/test"):
        read_kinetics(shared / "data/annotations/kinetics600")


def test_700_classes_alone_do_not_tell_the_version(tmp_path: Path) -> None:
    lists = tmp_path / "lists" / "here"
    lists.mkdir(parents=True)
    lines = "".join(f"class {n},{n:011d},0,10,train\n" for n in range(700))
    found = read(lists, train=HEADER + lines)
    assert found.name == "kinetics"
    assert "Kinetics-700 or 700-2020; tell which with --version" in found.warnings[-1]
    told = read_kinetics(lists, typed="kinetics700_2020.tar.gz")
    assert told.name == "kinetics700-2020" and told.labels == found.labels
