"""Trackers are named once each, with commas between; a server by an address without a password."""

import pytest

from manifests.errors import ClipmillError
from train.options import Options
from train.recipe import checked, resolve, text
from train.trackers.names import address, named


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("tensorboard", ("tensorboard",)),
        ("tensorboard, visdom", ("tensorboard", "visdom")),
        (["visdom"], ("visdom",)),
        ("none", ("none",)),
    ],
)
def test_names(value, names):
    assert named("tracker", value) == names


@pytest.mark.parametrize("value", ["", "none,visdom", "visdom,visdom", []])
def test_names_that_make_no_sense(value):
    with pytest.raises(ClipmillError, match=r"--tracker .*each once and none alone"):
        named("tracker", value)


def test_an_unknown_name_gets_a_guess():
    with pytest.raises(ClipmillError, match=r"unknown tracker 'tensorbord'.*'tensorboard'"):
        named("tracker", "tensorbord,visdom")


def test_addresses():
    assert address("visdom", "http://localhost:8097/") == "http://localhost:8097"
    assert address("visdom", "https://host/visdom") == "https://host/visdom"
    for wrong in ("localhost:8097", "ftp://host", "http://me:secret@host:8097", "http://", 8097):
        with pytest.raises(ClipmillError, match=r"--visdom .*without a password"):
            address("visdom", wrong)


def test_a_run_s_recipe_keeps_them(tmp_path):
    asked = checked({"tracker": "tensorboard,visdom", "visdom": "http://there:80"}, "here")
    (tmp_path / "recipe.toml").write_text(text(Options(**asked), "a run"))
    options = resolve(str(tmp_path / "recipe.toml"), {})
    assert (options.tracker, options.visdom) == (("tensorboard", "visdom"), "http://there:80")
    assert Options().tracker == ("tensorboard",)
