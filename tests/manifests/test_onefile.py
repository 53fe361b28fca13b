"""One file by path or address is given as a file of this machine."""

from pathlib import Path

import pytest

from manifests.errors import ClipmillError
from manifests.onefile import at_hand
from tests.web import Site


def test_a_path_is_the_file_itself(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"data")
    with at_hand(str(tmp_path / "x.bin"), "--init") as path:
        assert path == tmp_path / "x.bin"
    for wrong, named in ((tmp_path, "is a folder"), (tmp_path / "y", "is not there")):
        with (
            pytest.raises(ClipmillError, match=f"--init {wrong} {named}"),
            at_hand(str(wrong), "--init"),
        ):
            pass


def test_an_address_gives_a_copy_that_is_fetched_again_when_it_changes(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(tmp_path))
    for data in (b"one", b"other"):
        site.files["/w/x.bin"] = data
        for _ in range(2):
            with at_hand(f"{site.url}/w/x.bin", "--init") as path:
                assert path.read_bytes() == data and path.is_relative_to(tmp_path)
    assert site.sent["/w/x.bin"] == len(b"one") + len(b"other")


@pytest.mark.parametrize("url", ["https://host", "https://host/", "s3://", "ftp://host/x.pth"])
def test_what_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(ClipmillError) as caught, at_hand(url, "--init"):
        pass
    assert "--init" in str(caught.value) and "--root" not in str(caught.value)
