import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests import rows
from manifests.errors import ClipmillError
from pipeline.annotate.hmdb51_lists import FLAGS, find_splits, read_split
from pipeline.annotate.sources import path_of


def written(folder, text, name="kick_test_split1.txt"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_class_is_the_files_and_the_group_is_the_source_video(tmp_path):
    name = "Goal_1_&_2_kick_ball_kick_f_cm_np1_ba_bad_5.avi"
    path = written(tmp_path, f"{name} 1 \r\n\r\n")
    [(source, row)] = read_split(path, "kick", 7).items()
    assert (row.part, row.line) == ("train", 1)
    assert source == f"file:kick/{name}"
    assert row.clip == rows.Clip(
        clip_id=rows.clip_id(name.removesuffix(".avi"), source, None, None),
        dataset="hmdb51",
        label="kick",
        label_id=7,
        video_id=f"kick/{name}",
        source=source,
        group="kick/Goal_1_&_2_kick_ball",
    )


def test_a_class_that_begins_as_another_does_not_take_its_videos(tmp_path):
    """`kick_ball` clips read as class `kick` have no group: their names end in another class."""
    path = written(tmp_path, "Goal_kick_ball_f_cm_np1_ba_bad_5.avi 0\n")
    [row] = read_split(path, "kick", 0).values()
    assert row.clip.group is None
    [row] = read_split(path, "kick_ball", 0).values()
    assert (row.clip.group, row.part) == ("kick_ball/Goal", "unused")


@pytest.mark.parametrize(
    "line", ["a.avi", "a.avi one two", "a 1", "x/a.avi 1", ".avi 1", "a.avi1", "1 a.avi"]
)
def test_malformed_lines_are_told_with_their_place(tmp_path, line):
    path = written(tmp_path, f"ok.avi 1\n{line}\n")
    with pytest.raises(ClipmillError) as error:
        read_split(path, "kick", 0)
    assert str(error.value) == f"{path}:2: {line!r}; expected '<name>.avi <flag>'."


@pytest.mark.parametrize("flag", ["3", "-1", "01", "train", "1.0", "²"])
def test_unknown_flags_are_told(tmp_path, flag):
    path = written(tmp_path, f"a.avi {flag}\n")
    with pytest.raises(ClipmillError) as error:
        read_split(path, "kick", 0)
    expected = f"{path}:1: flag {flag!r}; expected 1 train, 2 test or 0 unused."
    assert str(error.value) == expected


@pytest.mark.parametrize(("second", "part"), [("1", "train"), ("2", "test"), ("0", "unused")])
def test_a_clip_stands_once_in_train_or_in_test(tmp_path, second, part):
    path = written(tmp_path, f"a.avi 1\nb.avi 2\na.avi {second}\n")
    with pytest.raises(ClipmillError) as error:
        read_split(path, "kick", 0)
    assert str(error.value) == (
        f"{path}:3: 'a.avi' again as {part} (line 1: train); expected every clip once, in train, "
        "in test or unused."
    )


def test_splits_are_found_in_the_folder_or_its_subfolder(tmp_path):
    with pytest.raises(ClipmillError, match=r"no <class>_test_split1.txt in .*153 files"):
        find_splits(tmp_path)
    with pytest.raises(ClipmillError, match=r"no <class>_test_split1.txt"):
        find_splits(tmp_path / "gone")
    inner = tmp_path / "testTrainMulti_7030_splits"
    inner.mkdir()
    for name in ("climb_stairs", "climb"):
        for number in (1, 3):
            written(inner, "", f"{name}_test_split{number}.txt")
    for name in ("README.txt", "._climb_test_split1.txt", "climb_test_split4.txt"):
        written(inner, "", name)
    found = find_splits(tmp_path)
    assert found == find_splits(inner)
    assert list(found) == [1, 3]
    assert list(found[3]) == ["climb", "climb_stairs"]  # file names sort the other way
    (inner / "climb_test_split1.txt").unlink()
    with pytest.raises(ClipmillError) as error:
        find_splits(inner)
    assert str(error.value) == (
        f"{inner} has climb_test_split3.txt without climb_test_split1.txt, which other classes "
        "have; expected a file of each class for each split. Give the whole archive of the lists "
        "as --lists."
    )


def test_a_class_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "caf\udce9_test_split1.txt").touch()
    with pytest.raises(ClipmillError, match=r"class 'caf.*xe9' is no UTF-8"):
        find_splits(tmp_path)


names = st.text(st.characters(codec="utf-8", exclude_characters="/\r\n\0"), min_size=1).map(
    lambda text: "v" + text
)


@given(
    st.dictionaries(names, st.sampled_from(sorted(FLAGS)), min_size=1, max_size=5),
    st.sampled_from([b"\n", b"\r\n", b" \n", b" \r\n\n"]),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.sampled_from([" ", "\t", "  "]),
)
def test_any_file_name_flag_and_line_end(tmp_path_factory, wanted, end, mark, blank):
    path = tmp_path_factory.mktemp("lists") / "kick_test_split1.txt"
    lines = [f"{name}.avi{blank}{flag}".encode() for name, flag in wanted.items()]
    path.write_bytes(mark + end.join(lines))
    found = read_split(path, "kick", 0)
    assert {path_of(source): row.part for source, row in found.items()} == {
        f"kick/{name}.avi": FLAGS[flag] for name, flag in wanted.items()
    }
    ids = {row.clip.clip_id for row in found.values()}
    assert len(ids) == len(wanted)
    assert all(rows.CLIP_ID.fullmatch(x) and len(x) <= rows.MAX_CLIP_ID for x in ids)


@given(
    st.binary(max_size=60).filter(
        lambda raw: b"\0" not in raw and raw[:2] not in (b"\xff\xfe", b"\xfe\xff")
    )
)
def test_any_bytes_are_rows_or_one_clear_error(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("lists") / "kick_test_split1.txt"
    path.write_bytes(raw)
    try:
        found = read_split(path, "kick", 0)
    except ClipmillError as error:
        assert str(error).startswith(f"{path}:")
    else:
        for row in found.values():
            row.clip.video_id.encode()
            (row.clip.group or "").encode()
