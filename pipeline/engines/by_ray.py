"""Workers of a ray cluster, or of one that is started here: 6 s to start, about 1 ms a unit.

ray does a lost worker's unit again by itself, three times. These are ray's own tasks and not its
backend for joblib: that one keeps all results until the last has come, and one killed worker ends
it. ray reuses a worker's process for the next task, so decoder children live on. A cluster that is
started here listens on loopback only, asks for ray's token, has no dashboard and reports nothing
to anybody. When this process is killed it ends at once, but for two idle agents of ray, which try
to report that to a server that is gone: 60 s, which cannot be set.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from manifests.errors import ClipmillError, StoppedError
from pipeline.crew import Crew

U = TypeVar("U")
R = TypeVar("R")

TRIES_AGAIN = 3
CONNECT_S = 20
STORE_BYTES = 100 << 20  # rows go through it, never pixels
MISSING = "--backend ray needs ray, which is not installed. Run `pip install 'clipmill[ray]'`."
# Read when ray is imported. The first name is ray's own for "no cluster of several machines": only
# then do its servers bind to loopback.
ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
}


def results(work: Callable[[U], R], units: Sequence[U], crew: Crew) -> Generator[R, None, None]:
    """Yield each unit's result as it ends.

    Raises:
        StoppedError: no cluster answers, or a unit's workers died again and again.
        ClipmillError: ray is not installed.
    """
    if crew.address is None:
        for name, value in ALONE.items():
            os.environ.setdefault(name, value)
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ImportError as error:
        raise ClipmillError(MISSING) from error
    with _cluster(crew):
        todo, kept = iter(units), ray.put(work)
        task: Any = ray.remote(num_cpus=1, max_retries=TRIES_AGAIN)(_one)
        asked = [task.remote(kept, unit) for unit in islice(todo, crew.ahead)]
        try:
            while asked:
                done, asked = ray.wait(asked, num_returns=1)
                result = ray.get(done[0])
                asked += [task.remote(kept, unit) for unit in islice(todo, len(done))]
                yield result
        except RayTaskError as error:
            raise error.cause from error
        except (RayError, ConnectionError) as error:
            reason = str(error).strip().splitlines()[0]
            raise StoppedError(
                f"ray's workers were lost: {reason} Look at ray's logs (memory is the usual "
                "reason), then run the same command again; what was finished is kept."
            ) from error
        finally:
            for one in asked:
                with contextlib.suppress(Exception):  # the cluster may be what is gone
                    ray.cancel(one, force=True)


def _one(work: Callable[[U], R], unit: U) -> R:
    return work(unit)


@contextlib.contextmanager
def _cluster(crew: Crew) -> Iterator[None]:
    """Be connected to a cluster: the one at the address, or one that is started and ended here."""
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    with contextlib.ExitStack() as stack:
        if crew.address is None:
            # Its sockets lie there, whose paths may not be long: where TMPDIR points is too far.
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(
                    prefix="clipmill-",
                    dir="/tmp" if os.name == "posix" else None,  # noqa: S108
                    ignore_cleanup_errors=True,
                )
            )
            quiet |= {
                "num_cpus": crew.workers,
                "num_gpus": 0,
                "include_dashboard": False,
                "object_store_memory": STORE_BYTES,
                "_temp_dir": folder,
            }
        try:
            if crew.address is not None:
                _knock(crew.address)
            with _own_end_of_process():
                ray.init(address=crew.address or "local", **quiet)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise StoppedError(
                f"no ray cluster at {crew.address or 'this machine'}: {error} Expected `auto` on "
                "one of its machines, or ray://host:10001, and RAY_AUTH_MODE=token where it asks "
                "for a token; see docs/clusters.md."
            ) from error
        stack.callback(ray.shutdown)
        yield


def _knock(address: str) -> None:
    """Find out at once that nobody listens, which takes ray minutes.

    Raises:
        OSError: nobody does, or there is no cluster for `auto`.
    """
    place = address.removeprefix("ray://")
    if place == address:
        try:
            # Nothing public says what `auto` and loopback stand for.
            from ray._private.services import canonicalize_bootstrap_address as place_of
        except ImportError:
            return
        place = place_of(address) or ""
    host, _, port = place.rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()


@contextlib.contextmanager
def _own_end_of_process() -> Iterator[None]:
    """Keep what SIGTERM does here: ray would exit at once, and finished rows would be lost."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
