"""Workers of a dask cluster, or of one that is started here: 1 s to start, about 2 ms a unit.

dask does a lost worker's units again by itself and gives one up after four workers died of it.
This is dask's own client and not joblib's backend for it, which waits for ever for a unit that
was given up. A cluster that is started here listens on loopback only, behind TLS with keys that
live as long as it does: who may talk to a scheduler may run programs.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from manifests.errors import ClipmillError, StoppedError
from pipeline.crew import Crew

U = TypeVar("U")
R = TypeVar("R")

LOOPBACK = "127.0.0.1"
CONNECT_S = 20
WORKERS_S = 60  # how long a cluster may take to have its first worker
# The profiler looks at every worker a hundred times a second, for a page that nobody opens here.
_QUIET = {"logging.distributed": "critical", "distributed.worker.profile.enabled": False}
MISSING = (
    "--backend dask needs distributed, which is not installed. Run `pip install 'clipmill[dask]'`."
)


def results(work: Callable[[U], R], units: Sequence[U], crew: Crew) -> Generator[R, None, None]:
    """Yield each unit's result as it ends.

    Raises:
        StoppedError: no scheduler or worker answers, or a unit's workers died again and again.
        ClipmillError: distributed is not installed.
    """
    try:
        import distributed
        from distributed.client import FutureCancelledError
    except ImportError as error:
        raise ClipmillError(MISSING) from error
    # It says each thing that goes wrong, with its traceback; one error says what to do.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(_local(crew.workers) if crew.address is None else _at(crew))
        todo = iter(units)
        asked = {client.submit(work, unit, pure=False) for unit in islice(todo, crew.ahead)}
        stack.callback(_give_up, client, asked)
        done: Any = distributed.as_completed(asked, loop=client.loop, with_results=True)
        try:
            for future, result in done:
                asked.discard(future)
                if future.cancelled():
                    raise StoppedError(_lost("the scheduler forgot what it was asked"))
                yield result
                for unit in islice(todo, 1):
                    more = client.submit(work, unit, pure=False)
                    asked.add(more)
                    done.add(more)
        except (distributed.KilledWorker, FutureCancelledError) as error:
            raise StoppedError(_lost(str(error))) from error


@contextlib.contextmanager
def _local(workers: int) -> Iterator[Any]:
    """Start a cluster of one-threaded workers and give its client; nothing of it is left."""
    import dask.config
    import distributed

    with (
        # Also of workers that are started anew.
        dask.config.set(_QUIET),
        tempfile.TemporaryDirectory(prefix="clipmill-", ignore_cleanup_errors=True) as folder,
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host=LOOPBACK,
            security=True,
            protocol="tls://",
            memory_limit=0,  # as with loky; the decoder child has its own
            local_directory=folder,
            silence_logs=logging.CRITICAL,
            dashboard_address=f"{LOOPBACK}:0",
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextlib.contextmanager
def _at(crew: Crew) -> Iterator[Any]:
    """Give the client of a cluster that has a worker.

    TLS is set as for all of dask's clients: by its configuration files or DASK_ variables.
    """
    import distributed

    try:
        client = distributed.Client(crew.address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # TypeError: tls:// without keys
        raise StoppedError(
            f"no dask scheduler answers at {crew.address}: {error}. Expected an address like "
            "tcp://host:8786 or tls://host:8786 of one that runs; see docs/clusters.md."
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS_S)
        except TimeoutError as error:
            raise StoppedError(
                f"the dask scheduler at {crew.address} has no worker after {WORKERS_S} s. Start "
                f"some with `dask worker {crew.address} --nthreads 1`."
            ) from error
        yield client


def _give_up(client: Any, asked: set[Any]) -> None:
    """Take back what nobody waits for any more."""
    if asked:
        with contextlib.suppress(Exception):  # the scheduler may be what is gone
            client.cancel(list(asked), force=True)


def _lost(why: str) -> str:
    return (
        f"dask's workers were lost: {why}. Look at the workers' logs (memory is the usual "
        "reason), then run the same command again; what was finished is kept."
    )
