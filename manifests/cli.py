"""What the verbs' command lines share: their common options and how they end.

A verb does its work inside `ends`, which gives it its `Ui` and turns errors into one line and an
exit code: 2 wrong use or input, 3 stopped by the environment, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Annotated, Any, Literal, TypeVar

import typer

from manifests.console import Ui
from manifests.errors import ClipmillError, StoppedError
from manifests.grouped import grouped

Verb = TypeVar("Verb", bound=Callable[..., None])

INTERRUPTED = 130
TOLD = "TORCHELASTIC_ERROR_FILE"  # where torchrun finds the reason of a process, and shows it
AGAIN = "Run the same command again to go on."
SMALLER = (
    "out of memory; what was finished is kept. Run the command again with a smaller --batch, "
    "--crop or --width, or with fewer --jobs."
)

Root = Annotated[
    str,
    typer.Option(
        "--root",
        envvar="CLIPMILL_ROOT",
        help="The dataset folder, or its URL: s3://bucket/name, or to read https://host/name.",
        metavar="DIR",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, do nothing.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 when a clip failed.")]
Jobs = Annotated[
    int, typer.Option("--jobs", min=0, help="Worker processes (0: one for each processor core).")
]
Backend = Annotated[
    Literal["loky", "dask", "ray"],
    typer.Option(
        "--backend",
        envvar="CLIPMILL_BACKEND",
        help="Whose workers: this machine's (loky), or a dask or ray cluster's.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar="CLIPMILL_ADDRESS",
        metavar="ADDRESS",
        help="Where the cluster is: tcp:// or tls://HOST:8786 (dask), auto or ray://HOST:10001 "
        "(ray). Without it, one of --jobs workers is started here.",
    ),
]


@dataclass(frozen=True, slots=True)
class Say:
    """How much a verb says, and in which form."""

    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = (
        False
    )
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Say nothing but warnings and errors.")
    ] = False
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more, with tracebacks.")] = (
        False
    )


class Verbs(typer.Typer):
    """A typer app whose commands may take groups of options (see manifests/grouped.py)."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Verb], Verb]:
        """Register a verb; its parameters that are dataclasses become their fields' options."""
        register = super().command(name, **settings)

        def keep(verb: Verb) -> Verb:
            register(grouped(verb))
            return verb

        return keep


def app() -> Verbs:
    """Return an empty typer app with the settings that all verbs share."""
    return Verbs(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


@contextlib.contextmanager
def ends(say: Say, speaks: bool = True, again: str = AGAIN) -> Iterator[Ui]:
    """Run a verb: give it its Ui, end it with one message and the right exit code.

    `again` says how to go on after an interruption.
    """
    ui = Ui(json=say.json, quiet=say.quiet, verbose=say.verbose, speaks=speaks)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield ui
    except ClipmillError as error:
        text = str(error)
        if isinstance(error, StoppedError) and again != AGAIN and "--resume" not in text:
            text = f"{text} {again}"
        _fail(ui, text, error.exit_code, error)
    except BrokenPipeError:
        raise  # who read the output has gone: typer ends without a word
    except OSError as error:
        _fail(ui, *_environment(error), error)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        _fail(ui, SMALLER, StoppedError.exit_code, error)
    except KeyboardInterrupt as error:
        _fail(ui, f"interrupted; what was finished is kept. {again}", INTERRUPTED, error)
    else:
        ui.flush()
        if ui.exit_code:
            raise typer.Exit(ui.exit_code)


def _fail(ui: Ui, text: str, code: int, error: BaseException) -> None:
    if ui.verbose:
        import traceback

        traceback.print_exception(error)
    if ui.speaks or not os.environ.get(TOLD):
        ui.error(text)
    ui.finish({"error": text, "exit_code": code})
    ui.flush()
    raise typer.Exit(code) from None


def _out_of_memory(error: Exception) -> bool:
    """Also torch's own errors, told by name so that torch need not be there."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or "DefaultCPUAllocator" in str(error)


def _environment(error: OSError) -> tuple[str, int]:
    """One sentence and an exit code for what the system refused and no stage has foreseen."""
    where = "the system" if error.filename is None else os.fsdecode(error.filename)
    if isinstance(error, IsADirectoryError):
        return f"{where} is a folder; expected a file. Give another path.", ClipmillError.exit_code
    if isinstance(error, NotADirectoryError | FileExistsError):
        text = f"{where} is, or lies below, a file; expected a folder. Give another path."
        return text, ClipmillError.exit_code
    if error.errno == errno.ENAMETOOLONG:
        return f"{where}: the path is too long. Give a shorter one.", ClipmillError.exit_code
    reason = error.strerror or str(error)
    return f"{where}: {reason}. Mend that and run the command again.", StoppedError.exit_code


def _terminate(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a verb as Ctrl-C does: everything finished is recorded first."""
    raise KeyboardInterrupt
