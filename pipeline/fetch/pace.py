"""One budget for all workers of an address: requests an hour, pauses, and bytes a second.

A host's budget is a bucket of requests that fills at an even rate; it lives in a small file, so
that it survives a restart and is shared by the processes of a machine. A blocked session closes
the host for all workers, for longer each time. A clock that jumps costs or gives at most one
bucket. A paced request costs a millisecond, a host without a budget nothing.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

from manifests.console import clock
from manifests.errors import UnreachableError

BUCKET = 10.0  # requests that may go at once after a rest
FIRST_PAUSE_S = 300.0
LONGEST_PAUSE_S = 7200.0
MOST_RETRY_AFTER_S = 3600.0


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
class Host:
    """What is known of one host; all times are seconds of the wall clock."""

    tokens: float = BUCKET
    filled_at: float = 0.0
    closed_until: float = 0.0
    blocks: float = 0

    def fill(self, now: float, per_hour: float) -> None:
        """Add what has come in since; a clock that went back adds nothing, forward one bucket."""
        elapsed = max(0.0, now - self.filled_at)
        self.tokens = min(BUCKET, self.tokens + elapsed * per_hour / 3600)
        self.filled_at = now

    def wait(self, now: float, per_hour: float | None) -> float:
        """Return the seconds until a request may go; 0 takes one from the bucket."""
        # A clock that was set back must not close a host for ever.
        self.closed_until = min(self.closed_until, now + LONGEST_PAUSE_S)
        closed = self.closed_until - now
        if closed > 0:
            return closed
        if per_hour is None:
            return 0.0
        self.fill(now, per_hour)
        if self.tokens < 1:
            return (1 - self.tokens) * 3600 / per_hour
        self.tokens -= 1
        return 0.0


@dataclass
class Pace:
    """The budgets of all hosts, for all threads of this process and, by `file`, of this machine.

    `say` is told of every pause that all workers take.
    """

    rates: Rates = Rates()
    file: Path | None = None
    say: Callable[[str], None] = print
    now: Callable[[], float] = time.time
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _hosts: dict[str, Host] = field(default_factory=dict)
    _debt_s: float = 0.0
    _paid_at: float = 0.0

    def ask(self, host: str, stop: threading.Event) -> None:
        """Wait until a request to the host may go; returns at once when `stop` is set."""
        rate = self.rates.of(host)
        while not stop.is_set():
            with self._known(host) as known:
                seconds = known.wait(self.now(), rate)
            if seconds <= 0:
                return
            stop.wait(min(seconds, 5.0))  # another process may have shortened or lengthened it

    def refused(self, host: str, status: int, retry_after: str | None) -> float | None:
        """Take note of a refusal; return the seconds that the server asks to be left alone.

        With 429 or 503 and a Retry-After the whole host rests, for all workers.
        """
        seconds = _seconds(retry_after, self.now()) if status in (429, 503) else None
        if seconds is not None:
            with self._known(host) as known:
                known.closed_until = max(known.closed_until, self.now() + seconds)
        return seconds

    def blocked(self, host: str, why: str) -> None:
        """Close a host that blocks this session, for longer each time.

        Raises:
            UnreachableError: it stayed blocked through `give_up` pauses.
        """
        with self._known(host) as known:
            if known.closed_until > self.now():
                return  # another worker was told already
            known.blocks += 1
            pause = min(self.rates.first_pause_s * 2 ** (known.blocks - 1), LONGEST_PAUSE_S)
            known.closed_until = self.now() + pause
            known.tokens = 0.0
            blocks = known.blocks
        if blocks >= self.rates.give_up:
            raise UnreachableError(
                f"{host} has blocked this address {blocks} times in a row ({why}). Nothing "
                "is lost. Wait some hours, lower --per-hour, or give --cookies or --proxy; then "
                "run the same command again."
            )
        self.say(f"{host} blocks this address ({why}); all workers pause for {clock(pause)}")

    def answered(self, host: str) -> None:
        """Take note that a host works: the next block, should one come, is the first again."""
        if self._hosts.get(host, Host()).blocks:
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

    @contextlib.contextmanager
    def _known(self, host: str) -> Iterator[Host]:
        """Give a host's state to look at and change, kept in the file where there is one."""
        with self._lock:
            if self.file is None or self.rates.of(host) is None:
                yield self._hosts.setdefault(host, Host(filled_at=self.now()))
                return
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.file}.lock"):
                everything = read_hosts(self.file)
                known = everything.setdefault(host, Host(filled_at=self.now()))
                before = astuple(known)
                yield known
                self._hosts[host] = known
                if astuple(known) != before:
                    _write(self.file, everything)


def read_hosts(file: Path) -> dict[str, Host]:
    """Read the budgets; a file that is not there, or no longer readable, is begun anew."""
    try:
        values = json.loads(file.read_text())
        return {host: Host(*map(float, one.values())) for host, one in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(file: Path, hosts: dict[str, Host]) -> None:
    beside = file.with_name(f"{file.name}.new")
    beside.write_text(json.dumps({name: asdict(host) for name, host in hosts.items()}))
    beside.replace(file)


def host_of(url: str) -> str:
    """Return the name (and port) under which an address is paced."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def _seconds(retry_after: str | None, now: float) -> float | None:
    """Return a Retry-After (seconds or a date) in seconds, at most an hour; None without one."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after).timestamp() - now
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), MOST_RETRY_AFTER_S)
