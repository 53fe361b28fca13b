"""Words become ids: known ids first, then files of ids, then unknown words."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from pipeline.publishing.drop_ids import nearest, read_ids

NAMES = st.lists(
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1), min_size=1
)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_hold_one_id_a_line(tmp_path: Path, end: str, mark: str) -> None:
    file = tmp_path / "ids.txt"
    text = mark + end.join(["# who asked", " -Abc_1 ", "", "#2_Gum_chew", "two", "two"])
    file.write_bytes(text.encode())
    known = {"#2_Gum_chew", "two", "three"}
    assert read_ids([str(file), "three", "two"], known) == ["-Abc_1", "#2_Gum_chew", "two", "three"]


def test_an_id_is_never_taken_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clip").write_text("other")
    assert read_ids(["clip"], {"clip"}) == ["clip"]
    assert read_ids(["clip"], {"another"}) == ["other"]
    assert read_ids(["x" * 5000, "a\0b"], ()) == ["x" * 5000, "a\0b"]


def test_what_is_no_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ClipmillError, match="one id a line"):
        read_ids([str(tmp_path / "a.mp4")], ())
    (tmp_path / "empty").write_text("# nobody\n")
    with pytest.raises(ClipmillError, match="no ids"):
        read_ids([str(tmp_path / "empty")], ())


@given(NAMES)
def test_known_ids_come_back_in_order_and_once(names: list[str]) -> None:
    assert read_ids(names, set(names)) == [*dict.fromkeys(names)]


def test_the_nearest_is_found_quickly_among_many() -> None:
    many = [f"v_Biking_g{number:06d}" for number in range(500_000)]
    started = time.monotonic()
    assert nearest("v_Biking_g00010", many) in many
    assert nearest("zzz", many) is None
    assert time.monotonic() - started < 20, "the bound on how many are looked at is there"
    assert nearest("dQw4w9WgXcq", ["dQw4w9WgXcQ", "aQw4w9WgXcQ"]) == "dQw4w9WgXcQ"
