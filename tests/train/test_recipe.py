"""Recipes: each is whole, any value is overridden, what is wrong is named with its nearest."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from train import recipe
from train.options import Options


def test_the_seed_recipe_is_what_options_are_by_themselves():
    assert recipe.resolve("seed", {}) == recipe.resolve(None, {}) == Options()


@pytest.mark.parametrize("name", recipe.available())
def test_each_recipe_says_what_it_is_and_whence(name):
    values = tomllib.loads((recipe.FOLDER / f"{name}.toml").read_text())
    assert len(values["about"]) > 20
    assert len(values["source"]) > 50
    assert recipe.resolve(name, {"lr": "0.5", "epochs": 600} | {"lr": 0.5}).lr == 0.5


def test_the_command_line_stands_over_the_recipe(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('about = "x"\nbatch = 4\nlr = 1\ncrop = "16x20"\n')
    found = recipe.resolve(str(file), {"batch": 6})
    assert (found.batch, found.lr, found.crop) == (6, 1.0, (16, 20))
    assert found == Options(batch=6, lr=1.0, crop=(16, 20))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epoch = 3", r"unknown key in .*mine.toml 'epoch'.*Did you mean 'epochs'"),
        ('epochs = "3"', r"mine.toml: epochs is '3'; expected a whole number"),
        ("epochs = 3.5", r"epochs is 3.5; expected a whole number"),
        ("flip = 1", r"flip is 1; expected true or false"),
        ("lr = true", r"lr is True; expected a number"),
        ("model = 3", r"model is 3; expected text"),
        ("lr = 1000", r"--lr 1000.0; expected 1e-12 to 100.0"),
        ("lr = [", r"mine.toml is no valid TOML"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_said(tmp_path, text, expected):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ClipmillError, match=expected):
        recipe.resolve(str(tmp_path / "mine.toml"), {})


def test_no_such_recipe(tmp_path):
    with pytest.raises(ClipmillError, match=r"unknown recipe 'sead'.*Did you mean 'seed'"):
        recipe.resolve("sead", {})
    with pytest.raises(ClipmillError, match=r"there is no recipe .*none.toml; expected a file"):
        recipe.resolve(str(tmp_path / "none.toml"), {})


def test_a_run_that_goes_on_needs_its_options_no_second_time(tmp_path):
    asked = Options(batch=5, schedule="steps", milestones=(3.0,), crop=(16, 16), width=4)
    (tmp_path / recipe.FILE).write_text(recipe.text(asked, "a run"))
    assert recipe.resolve(None, {}, tmp_path) == asked
    assert recipe.resolve(None, {"epochs": 3}, tmp_path).epochs == 3
    assert recipe.resolve("seed", {}, tmp_path) == Options()
    assert recipe.resolve(None, {}, Path("nowhere")) == Options()


@given(
    st.builds(
        Options,
        split_set=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
        lr=st.floats(1e-6, 1),
        batch=st.integers(1, 999),
        crop=st.none() | st.tuples(st.integers(1, 999), st.integers(1, 999)),
        balance=st.booleans(),
    )
)
def test_any_options_come_back_from_their_text(options):
    values = tomllib.loads(recipe.text(options, 'a "run"\n'))
    values.pop("about")
    assert Options(**recipe.checked(values, "text")) == options
