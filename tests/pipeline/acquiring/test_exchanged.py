"""Exchanged videos between folders and archives (folders alone: test_annotating.py)."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Make = Callable[..., Any]


def test_another_archive_is_taken_out_anew_where_nothing_is_packed(
    tmp_path: Path,
    mine: Path,
    archived: Make,
    annotate_mine: Make,
    rows_of: Make,
    run_stages: Make,
) -> None:
    root = tmp_path / "root"
    annotate_mine(root, archived("first.zip"))
    data = bytearray((mine / "run/a.avi").read_bytes())
    data[-100] ^= 1  # of the same size
    (mine / "run/a.avi").write_bytes(data)
    annotate_mine(root, archived("second.zip"))
    annotate_mine(tmp_path / "fresh", tmp_path / "second.zip")
    newest = {row["clip_id"]: row for row in rows_of(root, "download") if row["attempt"] == 2}
    fresh = {row["clip_id"]: row["sha256"] for row in rows_of(tmp_path / "fresh", "download")}
    assert {clip: row["sha256"] for clip, row in newest.items()} == fresh
    run_stages(root, "pack")
    annotate_mine(root, archived("third.zip"))  # what is packed stays as it is
    assert max(row["attempt"] for row in rows_of(root, "download")) == 2


def test_an_archive_that_was_written_anew_is_taken_out_anew(
    tmp_path: Path, archived: Make, annotate_mine: Make, rows_of: Make
) -> None:
    root, archive = tmp_path / "root", archived("my.zip")
    os.utime(archive, (1e9, 1e9))
    for date, attempts in ((1e9, {1}), (4e9, {1, 2})):
        os.utime(archive, (date, date))
        annotate_mine(root, archive)
        assert {row["attempt"] for row in rows_of(root, "download")} == attempts


def test_from_archive_to_folder_and_back(
    tmp_path: Path,
    mine: Path,
    archived: Make,
    annotate_mine: Make,
    rows_of: Make,
    digests: Make,
    run_stages: Make,
) -> None:
    root, archive = tmp_path / "root", archived("my.zip")
    for videos in (archive, mine, mine):  # the folder holds the same videos
        annotate_mine(root, videos)
        assert [row["attempt"] for row in rows_of(root, "download")] == [1] * 4
    annotate_mine(root, archive)  # another place than before
    assert max(row["attempt"] for row in rows_of(root, "download")) == 2
    run_stages(root, "pack")
    assert len(digests(root)) == 4
