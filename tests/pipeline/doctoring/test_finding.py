"""Where a folder would be made, the nearest one above it is looked at."""

from collections.abc import Callable
from pathlib import Path

from pipeline.doctoring.finding import Patient


def test_a_folder_that_is_not_made_yet(tmp_path: Path, patient: Callable[..., Patient]) -> None:
    assert patient().folder == tmp_path / "root"
    assert patient(root=tmp_path / "a" / "b").folder == tmp_path
    (tmp_path / "file").write_text("")
    assert patient(root=tmp_path / "file" / "b").folder == tmp_path
    assert patient(root=None).folder == Path.cwd()
