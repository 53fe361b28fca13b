"""The error for a path that is no checkpoint; of a folder it names the checkpoints inside."""

from __future__ import annotations

from pathlib import Path

from manifests.errors import ClipmillError

ENDING = ".safetensors"
_NAMED = 4  # of the files found


def no_checkpoint(path: Path, cure: str = "") -> ClipmillError:
    """Return the error for what is not there or is a folder, such as that of a run or of all runs.

    `cure` is what else can be done about a folder of checkpoints.
    """
    expected = f"expected a {ENDING} file by clipmill."
    if not path.is_dir():
        return ClipmillError(f"no checkpoint at {path}; {expected}")
    below = (*path.glob(f"*{ENDING}"), *path.glob(f"*/*{ENDING}"))
    files = sorted(str(file.relative_to(path)) for file in below if file.is_file())
    if not files:
        return ClipmillError(
            f"no checkpoint at {path}, a folder that holds none; {expected} A run's folder holds "
            "best and last.safetensors."
        )
    more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
    some = ", ".join(files[:_NAMED]) + more
    text = (
        f"no checkpoint at {path}, which is a folder; {expected} Give one of those in it: {some}."
    )
    return ClipmillError(f"{text} {cure}".rstrip())
