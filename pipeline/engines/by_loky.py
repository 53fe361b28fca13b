"""Worker processes of this machine, through joblib's loky: 1 s to start, 0.1 ms a unit.

The workers are kept for the next stage. loky gives up all its workers when one is killed.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeVar

from manifests.errors import StoppedError
from pipeline.crew import Crew

U = TypeVar("U")
R = TypeVar("R")


def results(work: Callable[[U], R], units: Sequence[U], crew: Crew) -> Generator[R, None, None]:
    """Yield each unit's result as it ends.

    Raises:
        StoppedError: a worker was killed.
    """
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    parallel: Any = joblib.Parallel(n_jobs=crew.workers, return_as="generator_unordered")
    found: Any = parallel(joblib.delayed(work)(unit) for unit in units)
    try:
        with _closing(found):
            # `yield from` would close them itself, with the warning.
            for rows in found:  # noqa: UP028
                yield rows
    except TerminatedWorkerError as error:
        raise StoppedError(
            "a worker process was killed, most likely for want of memory. Run the same command "
            "again, with fewer --jobs if it happens twice; what was finished is kept."
        ) from error


@contextlib.contextmanager
def _closing(found: Any) -> Iterator[None]:
    """Close joblib's results without its warning of what was given up: that was asked for."""
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found.close()
