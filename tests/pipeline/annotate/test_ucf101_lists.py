import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests import rows
from manifests.errors import ClipmillError
from pipeline.annotate.sources import path_of
from pipeline.annotate.ucf101_lists import find_lists, read_classes, read_list

CLASSES = {"Punch": 0, "HandstandPushups": 1, "Yo Yo": 2}


def written(tmp_path, text, name="trainlist01.txt"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_class_is_the_folder_and_the_group_is_in_the_name(tmp_path):
    path = written(tmp_path, "HandstandPushups/v_HandStandPushups_g01_c02.avi 2\r\n\r\n")
    [(source, row)] = read_list(path, CLASSES, numbered=True).items()
    assert source == "file:HandstandPushups/v_HandStandPushups_g01_c02.avi"
    assert row.line == 1
    assert row.clip == rows.Clip(
        clip_id="v_HandStandPushups_g01_c02",
        dataset="ucf101",
        label="HandstandPushups",
        label_id=1,
        video_id="v_HandStandPushups_g01_c02",
        source=source,
        group="HandstandPushups/g01",
    )


@pytest.mark.parametrize(
    "line", ["Punch/a.avi", "Punch/a.avi 1", "Punch/a.avi\t1", " Punch/a.avi "]
)
def test_a_test_list_needs_no_number(tmp_path, line):
    assert list(read_list(written(tmp_path, line), CLASSES, numbered=False)) == ["file:Punch/a.avi"]


def test_names_that_are_no_ids_get_one(tmp_path):
    long = "x" * 81
    text = f"Punch/a b;&(.c.avi 1\nPunch/{long}.avi 1\nYo Yo/#1 2.avi 3\n".encode()
    found = read_list(written(tmp_path, text + b"Punch/caf\xe9.avi 1"), CLASSES, numbered=True)
    clips = [row.clip for row in found.values()]
    assert [path_of(clip.source) for clip in clips] == [
        "Punch/a b;&(.c.avi",
        f"Punch/{long}.avi",
        "Yo Yo/#1 2.avi",
        "Punch/caf\udce9.avi",
    ]
    for clip in clips:
        assert rows.CLIP_ID.fullmatch(clip.clip_id)
        assert len(clip.clip_id) <= rows.MAX_CLIP_ID
        assert clip.group is None
        clip.video_id.encode()


@pytest.mark.parametrize(
    "line",
    [
        "Punch/a.avi",
        "Punch/a.avi one",
        "Punch/a.avi 1.0",
        "Punch/a.avi -1",
        "Punch/a.avi 1 1 x",
        "Punch/a.avi 9999999999",
        "a.avi 1",
        "/a.avi 1",
        "Punch/ 1",
        "Punch/a 1",
        "UCF-101/Punch/a.avi 1",
        "Punch\\a.avi 1",
    ],
)
def test_malformed_lines_are_told_with_their_place(tmp_path, line):
    path = written(tmp_path, f"Punch/ok.avi 1\n{line}\n")
    with pytest.raises(ClipmillError) as error:
        read_list(path, CLASSES, numbered=True)
    assert str(error.value) == f"{path}:2: {line!r}; expected '<Class>/<name>.avi <number>'."


def test_unknown_classes_numbers_and_repetitions_are_told(tmp_path):
    path = written(tmp_path, "Punch/a.avi 1\nHandStandPushup/b.avi 2\n")
    message = r"trainlist01.txt:2: class 'HandStandPushup'; .* Did you mean 'HandstandPushups'\?"
    with pytest.raises(ClipmillError, match=message):
        read_list(path, CLASSES, numbered=True)
    path = written(tmp_path, "Punch/a.avi 2\n")
    message = r":1: number 2 for class 'Punch'; expected 1, its number in classInd.txt"
    with pytest.raises(ClipmillError, match=message):
        read_list(path, CLASSES, numbered=True)
    path = written(tmp_path, "Punch/a.avi 1\n\nPunch/a.avi 1\n")
    with pytest.raises(
        ClipmillError, match=r":3: .* again \(it stands in line 1\); expected every"
    ):
        read_list(path, CLASSES, numbered=True)


def test_classes_count_from_zero_in_any_order(tmp_path):
    path = written(tmp_path, b"\xef\xbb\xbf2 Punch\r\n1  Yo Yo \r\n", "classInd.txt")
    assert read_classes(path) == {"Punch": 1, "Yo Yo": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Punch", r"classInd.txt:1: 'Punch'; expected '<number from 1> <class>'"),
        ("1 Punch\nx", r"classInd.txt:2: 'x'; expected"),
        ("1 Punch\n1 Yo", r":2: '1 Yo', whose number or class stands in line 1 already"),
        ("1 Punch\n2 Punch", r":2: '2 Punch', whose number or class stands in line 1 already"),
        ("1 Punch\n3 Yo", r"has 2 classes but none with the number 2; expected the numbers from 1"),
        ("0 Punch\n1 Yo", r"none with the number 2"),
        ("", r"has 0 classes"),
        (b"1 caf\xe9", r"expected .* in UTF-8"),
    ],
)
def test_broken_class_lists_are_told(tmp_path, text, message):
    with pytest.raises(ClipmillError, match=message):
        read_classes(written(tmp_path, text, "classInd.txt"))


def test_a_missing_class_list_is_told(tmp_path):
    with pytest.raises(ClipmillError, match=r"classInd.txt does not exist"):
        read_classes(tmp_path / "classInd.txt")


def test_lists_are_found_in_the_folder_or_its_subfolder(tmp_path):
    with pytest.raises(ClipmillError, match=r"no trainlist01.txt in .* or its ucfTrainTestlist"):
        find_lists(tmp_path)
    inner = tmp_path / "ucfTrainTestlist"
    inner.mkdir()
    for name in ("trainlist02.txt", "testlist02.txt", "trainlist03.txt", "testlist03.txt"):
        (inner / name).touch()
    assert find_lists(tmp_path) == (inner, [2, 3])
    assert find_lists(inner) == (inner, [2, 3])
    (inner / "trainlist02.txt").unlink()
    with pytest.raises(ClipmillError, match=r"has testlist02.txt without trainlist02.txt"):
        find_lists(tmp_path)


names = st.text(st.characters(codec="utf-8", exclude_characters="/\r\n\0"), min_size=1).map(
    lambda text: "v" + text
)


@given(names)
def test_any_file_name_can_be_listed(tmp_path_factory, name):
    path = tmp_path_factory.mktemp("lists") / "trainlist01.txt"
    path.write_bytes(f"Punch/{name}.avi 1\r\n".encode())
    [(source, row)] = read_list(path, CLASSES, numbered=True).items()
    assert path_of(source) == f"Punch/{name}.avi"
    assert rows.CLIP_ID.fullmatch(row.clip.clip_id)
