"""Clips a second from a server on loopback, by clipmill with all its checks and by two others.

`unchecked` is what is possible at all: as many threads, a pool of kept connections, each body
written to a file and nothing looked at. `yt-dlp` is the library alone, a file a call. The server
runs in a process of its own on the same cores. Writes results/download_rate.json.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import urllib3
from machine import about, keep
from small_clips import REPO, clipmill, root_of, small_clips

sys.path.insert(0, str(REPO))

CLIPS = 3_000
THREADS = 8


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files by path over connections that stay open; says nothing."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet where they fit,
    disable_nagle_algorithm = True  # and no packet waits 40 ms for the answer to the one before

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    """A thread a connection."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away early, as yt-dlp's first look at a file does, is no error."""


def _serve(folder: str, port: Any) -> None:
    os.chdir(folder)
    server = Server(("127.0.0.1", 0), Handler)
    port.put(server.server_port)
    server.serve_forever()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder from a process of its own; give its address."""
    port = multiprocessing.Queue()
    process = multiprocessing.Process(target=_serve, args=(str(folder), port), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port.get(timeout=30)}"
    finally:
        process.terminate()
        process.join()


def unchecked(urls: list[str], folder: Path) -> None:
    """Fetch each address into a file, and believe it."""
    pool = urllib3.PoolManager(maxsize=THREADS)

    def fetch(url: str) -> None:
        (folder / url.rpartition("/")[2]).write_bytes(pool.request("GET", url).data)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(fetch, urls))


def ytdlp(urls: list[str], folder: Path) -> None:
    """Fetch each address by yt-dlp, one object a thread."""
    import threading

    from yt_dlp import YoutubeDL

    mine = threading.local()

    def fetch(url: str) -> None:
        if not hasattr(mine, "tool"):
            name = f"{folder}/%(id)s.%(ext)s"
            mine.tool = YoutubeDL({"outtmpl": name, "quiet": True, "noprogress": True})
        mine.tool.download([url])

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(fetch, urls))


def by_clipmill(urls: list[str], folder: Path) -> float:
    """Annotate, then download by the verb; return the seconds of its stage alone."""
    root = root_of(urls, folder)
    result = json.loads(clipmill("download", "--root", root, "--json", "--jobs", THREADS))
    [stage] = [one for one in result["stages"] if one["planned"]]
    if stage["done"] != len(urls):
        raise SystemExit(f"of {len(urls)} clips {stage['done']} came")
    return stage["seconds"]


def timed(fetch: Callable[[list[str], Path], float | None], urls: list[str]) -> dict[str, float]:
    """Return seconds and clips a second; the stage's own seconds where it tells them."""
    with tempfile.TemporaryDirectory() as temporary:
        started = time.monotonic()
        told = fetch(urls, Path(temporary))
        seconds = time.monotonic() - started
    used = told or seconds
    return {"seconds": round(used, 2), "clips_s": round(len(urls) / used, 1)}


def main() -> None:
    """Measure the three, each twice in turn, and keep the better of each."""
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["XDG_STATE_HOME"] = temporary
        folder = Path(temporary) / "site"
        folder.mkdir()
        clips = small_clips(CLIPS)
        for number, clip in enumerate(clips):
            (folder / f"{number:05}.mp4").write_bytes(clip)
        result: dict[str, Any] = {
            "machine": about(),
            "clips": CLIPS,
            "mean_bytes": sum(map(len, clips)) // CLIPS,
            "threads": THREADS,
        }
        with serving(folder) as address:
            urls = [f"{address}/{number:05}.mp4" for number in range(CLIPS)]
            ways = {"clipmill": by_clipmill, "unchecked": unchecked}
            for name, way in ways.items():
                result[name] = min((timed(way, urls) for _ in range(2)), key=lambda x: x["seconds"])
            result["yt-dlp"] = timed(ytdlp, urls[:300])
    result["ratio_to_unchecked"] = round(
        result["clipmill"]["clips_s"] / result["unchecked"]["clips_s"], 2
    )
    result["ratio_to_yt-dlp"] = round(
        result["clipmill"]["clips_s"] / result["yt-dlp"]["clips_s"], 2
    )
    print(json.dumps(result, indent=1))
    print("written to", keep("download_rate", result))


if __name__ == "__main__":
    main()
