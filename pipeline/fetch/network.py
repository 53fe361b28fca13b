"""What a user says about downloading, and the stages and tools that come of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from manifests.console import Ui, clock
from manifests.dataset import Dataset
from manifests.errors import ClipmillError, unknown
from manifests.routes import proxy_host
from pipeline.acquiring.acquire import LOCAL
from pipeline.annotate.text import read_names
from pipeline.fetch.bring import Bring
from pipeline.fetch.cvdf.source import Cvdf
from pipeline.fetch.https import Https
from pipeline.fetch.pace import Pace, Rates
from pipeline.fetch.selection import Selection
from pipeline.fetch.source import Source, Tools
from pipeline.fetch.youtube import mirror
from pipeline.fetch.youtube.youtube import HOST, PER_HOUR, YouTube
from pipeline.retrying import Retry

# What is asked unless named; not YouTube, which blocks an address that takes much.
DEFAULT = (LOCAL, "cvdf", "https")


@dataclass(frozen=True, slots=True)
class Network:
    """Options of downloading; sizes in bytes, times in seconds. None is no limit.

    `sources` are asked one after the other, each for what those before it lack. `classes` is a
    file with one class a line. `cvdf` is a mirror of CVDF's archives, `youtube` a mirror's address
    with {id}, `cookies` a file.
    """

    sources: tuple[str, ...] = DEFAULT
    part: str | None = None
    classes: Path | None = None
    limit: int | None = None
    seconds: float | None = None
    bytes_s: float | None = None
    per_hour: float | None = None
    keep_free: int = 1_000_000_000
    proxy: str | None = None
    cvdf: str | None = None
    youtube: str | None = None
    cookies: Path | None = None

    def selection(self, dataset: Dataset, retry: Retry) -> Selection:
        """Return which of the clips are taken.

        Raises:
            ClipmillError: a part that is none, a class that is not of this data set.
        """
        return Selection.of(self.part, _classes(dataset, self.classes), self.limit, retry)


# Name in --source -> the source for a data set, in the order of what they cost.
SOURCES: Mapping[str, Callable[[Dataset, Network, Selection], Source]] = {
    "cvdf": lambda dataset, network, selection: Cvdf(dataset, network.cvdf, selection),
    "https": lambda dataset, network, selection: Https(),
    "youtube": lambda dataset, network, selection: YouTube(
        state_file().parent / "yt-dlp", network.youtube, network.cookies
    ),
}

# Name in rows -> name in --source, where they differ.
ASKED_AS: Mapping[str, str] = {mirror.NAME: "youtube"}


def order_of(text: str | None) -> tuple[str, ...]:
    """Return the names of --source, separated by commas; without any the default.

    Raises:
        ClipmillError: a name that is none, or one that stands twice.
    """
    if text is None:
        return DEFAULT
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in (LOCAL, *SOURCES):
            raise unknown("source", name, (LOCAL, *SOURCES))
    if len(set(names)) < len(names):
        raise ClipmillError(f"--source {text} names one twice; expected each once, in their order.")
    return names


def bringing(dataset: Dataset, network: Network, selection: Selection, ui: Ui) -> list[Bring]:
    """Return the stages that fetch from the network, one for each source that has something.

    Raises:
        ClipmillError: options that cannot be.
    """
    sources = dataset.clips["source"].unique().to_pylist()
    serving = [
        SOURCES[name](dataset, network, selection) for name in network.sources if name != LOCAL
    ]
    serving = [one for one in serving if any(map(one.serves, sources))]
    if not serving:
        return []
    per_hour = {HOST: PER_HOUR} if network.per_hour is None else {"": network.per_hour}
    via = proxy_host(network.proxy)
    pace = Pace(Rates(per_hour, network.bytes_s), state_file(), ui.note, via=via)
    found = [
        Bring(
            dataset,
            one,
            # Each its own: a stage sets `stop` when it ends.
            Tools(dataset.storage, pace, keep_free=network.keep_free, proxy=network.proxy),
            selection,
            after=tuple(x for x in serving[:place] if x.divides and selection.shared),
        )
        for place, one in enumerate(serving)
    ]
    if network.seconds is not None:
        _stop_after(network.seconds, [one.tools.stop for one in found], ui)
    return found


def _classes(dataset: Dataset, file: Path | None) -> list[str] | None:
    if file is None:
        return None
    names, known = read_names(file, "class"), set(dataset.labels)
    if unknown := [name for name in names if name not in known]:
        raise ClipmillError(
            f"{file}: class {unknown[0]!r} is none of this data set's {len(known)}; expected "
            "names letter for letter as `clipmill status` shows them."
        )
    return names


def _stop_after(seconds: float, stops: Sequence[threading.Event], ui: Ui) -> None:
    """End the run in good order when its time is over: what is in hand is finished or kept."""

    def end() -> None:
        ui.note(f"the time limit of {clock(seconds)} is over; the same command goes on")
        for stop in stops:
            stop.set()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def state_file() -> Path:
    """Return where this machine's budgets are kept, for all data sets alike."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "clipmill" / "budgets.json"
