"""One budget for all workers of an address: requests an hour, pauses, and bytes a second.

A host's budget is a bucket of requests that fills at an even rate; it lives in a small file, so
that it survives a restart and is shared by the processes of a machine. A blocked session closes
the host for all workers, for longer each time. A clock that jumps costs or gives at most one
bucket. A paced request costs a millisecond, a host without a budget nothing.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path

from filelock import FileLock

from manifests.addresses import asked_s
from manifests.console import clock
from manifests.errors import StoppedError, UnreachableError
from pipeline.fetch.hosts import LONGEST_PAUSE_S, Host, read_hosts, write_hosts

FIRST_PAUSE_S = 300.0
LEAST_REST_S = 1.0  # of a host that is overloaded, whatever shorter time it names
MOST_OF_A_REASON = 200  # characters that are kept
TOLD_S = 5.0  # shorter waits pass in silence


@dataclass(frozen=True, slots=True)
class Rates:
    """`per_hour` requests by host ("" is any other one), `bytes_s` of all hosts together.

    No limit where there is none. After `give_up` blocks in a row without an answer in between the
    stage stops.
    """

    per_hour: Mapping[str, float] = field(default_factory=dict)
    bytes_s: float | None = None
    give_up: int = 6
    first_pause_s: float = FIRST_PAUSE_S

    def of(self, host: str) -> float | None:
        """Return a host's requests an hour, None for no limit."""
        return self.per_hour.get(host, self.per_hour.get(""))


@dataclass
class Pace:
    """The budgets of all hosts, for all threads of this process and, by `file`, of this machine.

    `say` is told of every pause that all workers take. `via` is the proxy that is asked in between:
    a host that blocks this address does not block that one.
    """

    rates: Rates = Rates()
    file: Path | None = None
    say: Callable[[str], None] = print
    now: Callable[[], float] = time.time
    via: str = ""
    _telling: threading.Lock = field(default_factory=threading.Lock)
    _told: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _hosts: dict[str, Host] = field(default_factory=dict)
    _debt_s: float = 0.0
    _paid_at: float = 0.0

    def ask(self, host: str, stop: threading.Event) -> None:
        """Wait until a request to the host may go; returns at once when `stop` is set.

        Raises:
            StoppedError: the file of budgets cannot be written.
        """
        rate = self.rates.of(host)
        while not stop.is_set():
            with self._known(host) as known:
                seconds = known.wait(self.now(), rate)
                closed = known.closed(self.now())
                until, why = known.closed_until, known.why
            if seconds <= 0:
                return
            if closed > TOLD_S and self._is_news(host, until):
                at = time.strftime("%H:%M", time.localtime(time.time() + closed))
                because = f" ({why})" if why else ""
                self.say(f"{host} is closed to this address until {at}{because}; waiting")
            stop.wait(min(seconds, 5.0))  # another process may have shortened or lengthened it

    def refused(self, host: str, status: int, retry_after: str | None) -> float | None:
        """Take note of a refusal; return the seconds that the server asks to be left alone.

        With 503 and a Retry-After the whole host rests, for all workers. A 429 is a block, which
        whoever goes on with the clip tells of: see `blocked`.
        """
        seconds = asked_s(retry_after, self.now()) if status in (429, 503) else None
        if seconds is not None and status == 503:
            seconds = max(seconds, LEAST_REST_S)
            with self._known(host) as known:
                if (until := self.now() + seconds) > known.closed_until:
                    known.closed_until, known.why = until, f"status {status}"
        return seconds

    def blocked(self, host: str, why: str, at_least_s: float | None = None) -> None:
        """Close a host that blocks this session, for longer each time and for `at_least_s`.

        Raises:
            UnreachableError: it stayed blocked through `give_up` pauses.
        """
        with self._known(host) as known:
            if known.closed_until > self.now():
                return  # another worker was told already
            known.blocks += 1
            growing = self.rates.first_pause_s * 2 ** min(known.blocks - 1, 16)
            pause = min(max(growing, at_least_s or 0.0), LONGEST_PAUSE_S)
            known.closed_until, known.why = self.now() + pause, why[:MOST_OF_A_REASON]
            known.tokens = 0.0
            blocks = known.blocks
            self._is_news(host, known.closed_until)  # no longer: it is told below
        if blocks >= self.rates.give_up:
            raise UnreachableError(
                f"{host} has blocked this address {blocks:.0f} times in a row ({why}). Nothing "
                "is lost. Wait some hours, lower --per-hour, or give --cookies or --proxy; then "
                "run the same command again."
            )
        self.say(f"{host} blocks this address ({why}); all workers pause for {clock(pause)}")

    def answered(self, host: str) -> None:
        """Take note that a host works: the next block, should one come, is the first again."""
        if self._hosts.get(self._key(host), Host()).blocks:
            with self._known(host) as known:
                known.blocks = 0

    def moved(self, count: int, stop: threading.Event) -> None:
        """Wait as long as `count` bytes take at the limit that all threads share."""
        if self.rates.bytes_s is None:
            return
        with self._lock:
            now = time.monotonic()
            self._debt_s = (
                max(0.0, self._debt_s - (now - self._paid_at)) + count / self.rates.bytes_s
            )
            self._paid_at, debt = now, self._debt_s
        stop.wait(debt)

    def _key(self, host: str) -> str:
        return f"{host} via {self.via}" if self.via else host

    def _is_news(self, host: str, until: float) -> bool:
        """Take note that a closing is told; return whether it was not yet."""
        with self._telling:
            # A second is nothing new: another process wrote it.
            news = until > self._told.get(host, -math.inf) + 1
            self._told[host] = until
            return news

    @contextlib.contextmanager
    def _known(self, host: str) -> Iterator[Host]:
        """Give a host's state to look at and change, kept in the file where there is one.

        Raises:
            StoppedError: the file cannot be written.
        """
        key = self._key(host)
        with self._lock:
            if self.file is None or self.rates.of(host) is None:
                yield self._hosts.setdefault(key, Host(filled_at=self.now()))
                return
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(f"{self.file}.lock"):
                    everything = read_hosts(self.file)
                    known = everything.setdefault(key, Host(filled_at=self.now()))
                    before = astuple(known)
                    yield known
                    self._hosts[key] = known
                    if astuple(known) != before:
                        write_hosts(self.file, everything)
            except OSError as error:
                raise StoppedError(
                    f"{self.file}: the budgets of requests cannot be kept there ({error}). "
                    "Expected a file that this user may write. Mend that, or set XDG_STATE_HOME to "
                    "another folder; then run the same command again."
                ) from error
