"""From a wish to a PNG on disk, of packed clips; a bad place for it is named first."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline.inspecting.choose import Wish
from pipeline.inspecting.picture import picture

SPEC = ClipSpec(frames=2, height=16, width=16)


@pytest.fixture(scope="module")
def dataset(built) -> Dataset:
    return Dataset.open(str(built))


def test_a_clip_a_class_a_page(dataset, tmp_path):
    clip = dataset.parts("samples")["clip_id"][0].as_py()
    for wish, count in ((Wish(clip=clip), 1), (Wish(label="run"), None), (Wish(random=5), 5)):
        out = tmp_path / "sheet.PNG"
        report = picture(dataset, wish, out)
        assert report["out"] == str(out)
        with Image.open(out) as image:
            assert (image.format, image.size) == ("PNG", (report["width"], report["height"]))
            assert np.ptp(np.asarray(image)) > 200
        assert count is None or len(report["clips"]) == count
        assert (report["page"], report["pages"]) == (1, 1)
        assert [path.name for path in tmp_path.iterdir()] == ["sheet.PNG"], "nothing beside it"


def test_without_out_it_lies_here_under_a_telling_name(dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clip = dataset.parts("samples")["clip_id"][0].as_py()
    names = [
        picture(dataset, wish, None)["out"]
        for wish in (Wish(clip=clip), Wish(label="run"), Wish(random=3, seed=7))
    ]
    assert names == [f"inspect-{clip}.png", "inspect-run-1.png", "inspect-random-7-1.png"]
    assert all(Path(name).is_file() for name in names)


def test_the_same_wish_is_the_same_file(dataset, tmp_path):
    for name in ("a.png", "b.png"):
        picture(dataset, Wish(random=4, seed=2), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_pages(tmp_path, packed_with):
    labels = ["日本", "run"]
    clips = [(f"c{n:03d}", labels[n % 2], "train") for n in range(52)]
    dataset = packed_with(tmp_path, SPEC, clips)
    first = picture(dataset, Wish(label="日本"), tmp_path / "a.png")
    last = picture(dataset, Wish(label="日本", page=3), tmp_path / "b.png")
    assert (first["pages"], len(first["clips"]), len(last["clips"])) == (3, 10, 6)
    assert not set(first["clips"]) & set(last["clips"])
    page = picture(dataset, Wish(random=99, page=2), tmp_path / "c.png")
    assert (page["pages"], len(page["clips"])) == (2, 4)
    with pytest.raises(ClipmillError, match="--page 4; expected 1 to 3 for 26 clips"):
        picture(dataset, Wish(label="日本", page=4), tmp_path / "d.png")


def test_nothing_packed(tmp_path, annotated):
    dataset = annotated(tmp_path)
    for wish in (Wish(random=1), Wish(label="run"), Wish(clip="a")):
        with pytest.raises(ClipmillError, match=r"holds no packed clip.*clipmill build --root"):
            picture(dataset, wish, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("no/where.png", "there is no folder .*no. Make it"),
        ("file/a.png", "there is no folder"),
        ("folder.png", r"is a folder; expected a file such as .*clip\.png"),
        ("a.jpg", r"expected a name that ends with \.png"),
    ],
)
def test_a_bad_place(dataset, tmp_path, out, says):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ClipmillError, match=says):
        picture(dataset, Wish(random=1), tmp_path / out)


def test_a_root_with_an_edited_spec_is_refused(tmp_path, built):
    root = Path(shutil.copytree(built, tmp_path / "root"))
    path = root / "dataset.toml"
    path.write_text(re.sub(r"(?m)^height = .*$", "height = 18", path.read_text()))
    with pytest.raises(ClipmillError, match="was packed with ClipSpec"):
        picture(Dataset.open(str(root)), Wish(random=1), tmp_path / "a.png")
