"""Groups of options on a real command line."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from manifests.cli import app
from manifests.grouped import grouped


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Option(help="Pixels across.")]
    tall: Annotated[bool, typer.Option("--tall", "-t")] = False


@dataclass(frozen=True)
class Colour:
    name: Annotated[str, typer.Option("--colour")] = "red"


@dataclass(frozen=True)
class Clash:
    width: int = 1


def run(*arguments: str):
    seen = []
    verbs = app()

    @verbs.command()
    def draw(*, what: str, size: Size, times: int = 1, colour: Colour) -> None:
        """Draw something."""
        seen.append((what, size, times, colour))

    @verbs.command()
    def other() -> None:
        """Do nothing."""

    result = CliRunner().invoke(verbs, ["draw", *arguments])
    return result, seen


def test_a_group_becomes_the_options_of_its_fields():
    result, seen = run("a", "--width", "3", "-t", "--colour", "blue", "--times", "2")
    assert result.exit_code == 0, result.output
    assert seen == [("a", Size(3, True), 2, Colour("blue"))]


def test_defaults_are_the_fields_and_those_without_are_required():
    result, seen = run("a", "--width", "3")
    assert seen == [("a", Size(3, False), 1, Colour("red"))]
    result, seen = run("a")
    assert result.exit_code == 2 and "--width" in result.output and not seen


def test_help_shows_the_fields_and_the_verbs_own_words():
    result, _ = run("--help")
    assert "Draw something." in result.output and "Pixels across." in result.output


def test_two_options_of_one_name_are_refused():
    def verb(*, size: Size, clash: Clash) -> None:
        pass

    with pytest.raises(TypeError, match="two options 'width'"):
        grouped(verb)
