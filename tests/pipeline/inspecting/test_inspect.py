"""`clipmill inspect` as it is typed, and what it prints."""

import json

from PIL import Image

from manifests.console import Ui
from manifests.dataset import Dataset
from pipeline.inspecting.show import show_statistics
from pipeline.inspecting.statistics import statistics


def test_a_sheet(built, tmp_path, cli):
    out = tmp_path / "page.png"
    done = cli("inspect", "--root", built, "--random", 6, "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"wrote {out}" in done.stderr
    with Image.open(out) as image:
        assert image.format == "PNG"
    options = ("--class", "jump", "--split", "test", "--out", out, "--json")
    report = json.loads(cli("inspect", "--root", built, *options).stdout)
    assert report["out"] == str(out)
    assert len(report["clips"]) == 1


def test_statistics_in_words_and_numbers(built, cli):
    done = cli("inspect", "--root", built)
    assert done.returncode == 0, done.stderr
    for words in ("mirrored in time", "codecs", "mpeg4: 8, h264: 3", "fewer frames than packets"):
        assert words in done.stdout
    report = json.loads(cli("inspect", "--root", built, "--json").stdout)
    assert report["stored"]["samples"] == 10
    assert report == json.loads(json.dumps(statistics(Dataset.open(str(built)), None, None)))


def test_wrong_use_ends_with_2(built, tmp_path, cli):
    for options, says in (
        (("--clip", "a", "--random", 2), "--clip and --random together"),
        (("--out", tmp_path / "a.png"), "--out without a picture"),
        (("--page", 2), "--page without a picture"),
        (("--page", 7, "--clip", "a"), "--page with --clip"),
        (("--class", "runn"), "Did you mean 'run'?"),
    ):
        done = cli("inspect", "--root", built, *options)
        assert done.returncode == 2
        assert says in done.stderr


def test_a_variable_stands_for_class(built, tmp_path, cli, monkeypatch):
    monkeypatch.setenv("CLIPMILL_INSPECT_CLASS", "runn")
    done = cli("inspect", "--root", built, "--out", tmp_path / "a.png")
    assert done.returncode == 2 and "Did you mean 'run'?" in done.stderr


def test_an_acquired_root_without_shards_can_be_shown(tmp_path, annotated, run_stages):
    dataset = annotated(tmp_path)
    run_stages(tmp_path, "download")
    show_statistics(statistics(dataset, None, None), Ui())
