"""What a setting takes from the command line and from TOML."""

import dataclasses
from dataclasses import dataclass

import pytest

from manifests.errors import ClipmillError
from train import settings


@dataclass
class Few:
    steps: int = settings.setting(3, "How many.", 1, 9)
    kind: str = settings.setting("up", "Which way.", among=("up", "down"))


def test_a_setting_is_a_field_with_its_words():
    assert dataclasses.asdict(Few()) == {"steps": 3, "kind": "up"}
    found = settings.settings(Few)
    assert (found["steps"].help, found["steps"].low, found["steps"].high) == ("How many.", 1, 9)
    settings.require("steps", 9, found["steps"])
    settings.require("steps", None, found["steps"])
    with pytest.raises(ClipmillError, match=r"--steps 10; expected 1 to 9\."):
        settings.require("steps", 10, found["steps"])
    with pytest.raises(ClipmillError, match=r"unknown kind 'dwn'.*Did you mean 'down'"):
        settings.require("kind", "dwn", found["kind"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [("112", (112, 112)), (112, (112, 112)), ("96x128", (96, 128)), ([96, 128], (96, 128))],
)
def test_sizes(value, expected):
    assert settings.size("crop", value) == expected


@pytest.mark.parametrize("value", ["400,450", " 400, 450 ", [400, 450], (400.0, 450.0)])
def test_numbers(value):
    assert settings.numbers("milestones", value) == (400.0, 450.0)
    with pytest.raises(ClipmillError, match="--milestones 'a,b'; expected numbers"):
        settings.numbers("milestones", "a,b")


@pytest.mark.parametrize("value", ["nan", "4,inf", "-3"])
def test_a_number_that_is_no_epoch_is_refused(value):
    with pytest.raises(ClipmillError, match=f"--milestones '{value}'; expected numbers"):
        settings.numbers("milestones", value)


def test_names_keep_what_stands_inside_them():
    assert settings.names("flip_except", "Throw Discus, Punch") == ("Throw Discus", "Punch")
    assert settings.names("flip_except", ["a, b"]) == ("a, b",)
