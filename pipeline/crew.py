"""Who does a stage's units, and how many of them there are: decided here and nowhere else.

Worker processes of this machine come through joblib's loky (0.1 ms a unit, 1 s to start); dask
and ray bring a cluster's, or start a small one here (1 s and 6 s). Results are taken as they come.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from manifests.errors import ClipmillError, unknown

U = TypeVar("U")
R = TypeVar("R")

Backend = Literal["loky", "dask", "ray"]
ENGINES = {
    "loky": "pipeline.engines.by_loky",
    "dask": "pipeline.engines.by_dask",
    "ray": "pipeline.engines.by_ray",
}
# A cluster may grow while it works, so it is given this many units ahead, about 3 KB each.
AHEAD = 1000


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers of a run.

    `jobs` 0 is one for each core of this machine or, with an `address`, all that the cluster has.
    `address` is where a dask scheduler or a ray cluster is; None is this machine.
    """

    jobs: int = 0
    backend: Backend = "loky"
    address: str | None = None

    def __post_init__(self) -> None:
        if self.backend not in ENGINES:
            raise unknown("backend", str(self.backend), ENGINES)
        if self.address is not None and self.backend == "loky":
            raise ClipmillError(
                f"address {self.address!r} with the backend loky, which has workers on this "
                "machine only; expected --backend dask or --backend ray with an address."
            )

    @property
    def workers(self) -> int:
        """How many processes to start on this machine."""
        return self.jobs or cores()

    @property
    def known(self) -> int | None:
        """How many workers share the work; None where a cluster alone knows."""
        return self.workers if self.jobs or self.address is None else None

    @property
    def ahead(self) -> int:
        """How many units a dask or ray cluster is given at once."""
        if self.address is None:
            return 2 * self.workers
        return self.jobs or AHEAD

    def threads(self, usual: int) -> int:
        """How many threads fetch from networks, which is nothing that a cluster does."""
        return usual if self.address or not self.jobs else self.jobs


def in_processes(
    work: Callable[[U], R], units: Sequence[U], crew: Crew
) -> Generator[R, None, None]:
    """Yield each unit's result as it ends; one worker of this machine is this process itself.

    Raises:
        StoppedError: a worker was killed, again and again where the engine tries again.
        ClipmillError: the engine is not installed.
    """
    if crew.backend == "loky" and (crew.workers == 1 or len(units) == 1):
        yield from map(work, units)
        return
    engine: Any = importlib.import_module(ENGINES[crew.backend])
    yield from engine.results(work, units, crew)


def cores() -> int:
    """Return the number of processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
