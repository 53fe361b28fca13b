"""How a verb ends: one sentence, the right exit code, and JSON where it was asked for."""

import errno
import json
import os
import signal
from typing import get_args, get_type_hints

import pytest
import typer

from manifests.cli import Say, ends
from manifests.errors import ClipmillError, StoppedError


class OutOfMemoryError(RuntimeError):
    """Torch's, by its name."""


@pytest.fixture(autouse=True)
def handlers():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def ended(error: BaseException | None, json: bool = True, **options) -> int:
    with pytest.raises(typer.Exit) as raised, ends(Say(json=json), **options):
        if error is not None:
            raise error
    return raised.value.exit_code


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ClipmillError("wrong. Do this."), 2, "wrong. Do this."),
        (StoppedError("the disk is full."), 3, "the disk is full."),
        (
            NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"),
            2,
            "a/b is, or lies below, a",
        ),
        (FileExistsError(errno.EEXIST, "File exists", b"a"), 2, "expected a folder. Give another"),
        (
            IsADirectoryError(errno.EISDIR, "Is a directory", "a"),
            2,
            "a is a folder; expected a file",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "a"), 3, "a: Permission denied. Mend"),
        (OSError(errno.ENOSPC, "No space left on device"), 3, "the system: No space left"),
        (OSError("strange"), 3, "the system: strange. Mend that"),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", "a"),
            2,
            "a: the path is too long. Give",
        ),
        (MemoryError("Unable to allocate 4 GiB"), 3, "out of memory; what was finished is kept."),
        (OutOfMemoryError("CUDA out of memory.\nTried"), 3, "smaller --batch, --crop or --width"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't"), 3, "or with fewer --jobs."),
        (KeyboardInterrupt(), 130, "Run the same command again to go on."),
    ],
)
def test_each_error_has_its_code_and_is_said_twice(capsys, error, code, text):
    assert ended(error) == code
    out, said = capsys.readouterr()
    assert json.loads(out)["exit_code"] == code
    assert text in json.loads(out)["error"]
    assert said.startswith("error: ")
    assert text in said
    assert said.count("\n") == 1
    assert ended(error, json=False) == code
    assert capsys.readouterr().out == ""


def test_a_bug_is_not_hidden_and_a_closed_pipe_is_typers(capsys):
    for error in (ZeroDivisionError, RuntimeError, BrokenPipeError):
        with pytest.raises(error), ends(Say(json=True)):
            raise error
    assert capsys.readouterr() == ("", "")


def test_a_traceback_only_with_v(capsys):
    with pytest.raises(typer.Exit), ends(Say(verbose=True)):
        raise ClipmillError("wrong")
    assert "Traceback" in capsys.readouterr().err


def test_success_is_silent_and_failures_recorded_are_1(capsys):
    with ends(Say(json=True)) as ui:
        ui.finish({"done": 3})
    assert json.loads(capsys.readouterr().out) == {"done": 3}
    with pytest.raises(typer.Exit) as raised, ends(Say(json=True)) as ui:
        ui.finish({"done": 2})
        ui.exit_code = 1
    assert raised.value.exit_code == 1
    assert json.loads(capsys.readouterr().out) == {"done": 2}


def test_other_ranks_say_why_but_print_no_json(capsys):
    assert ended(ClipmillError("wrong"), speaks=False) == 2
    assert capsys.readouterr() == ("", "error: wrong\n")


def test_sigterm_ends_as_ctrl_c_does_and_names_the_cure(capsys):
    with pytest.raises(typer.Exit) as raised, ends(Say(), again="Say --resume."):
        os.kill(os.getpid(), signal.SIGTERM)
    assert raised.value.exit_code == 130
    assert capsys.readouterr().err.endswith("kept. Say --resume.\n")


def test_quiet_says_what_is_still_said():
    kind = get_type_hints(Say, include_extras=True)["quiet"]
    (option,) = [item for item in get_args(kind)[1:] if hasattr(item, "help")]
    assert option.help == "Say nothing but warnings and errors."


def test_what_the_environment_stopped_names_the_cure_of_its_verb(capsys):
    for text, told in (("the disk is full.", 1), ("in use; go on by --resume.", 0)):
        with pytest.raises(typer.Exit), ends(Say(), again="Go on with --resume."):
            raise StoppedError(text)
        assert capsys.readouterr().err.count("Go on with --resume.") == told
