"""A web server of files with ranges, in a process of its own: `python static_server.py FOLDER`.

The kernel sends the files (sendfile), so that it costs little beside what is measured. Prints its
address, and ends when its stdin does.
"""

from __future__ import annotations

import http.server
import os
import re
import sys
import threading
from functools import partial
from http import HTTPStatus
from pathlib import Path

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files and listings of folders; one range at most."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Send a file or a part of it."""
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            super().do_GET()
            return
        size = path.stat().st_size
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        stop = min(size, int(match[2]) + 1 if match and match[2] else size)
        if start >= size > 0:
            self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            return
        self.send_response(HTTPStatus.PARTIAL_CONTENT if match else HTTPStatus.OK)
        if match:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{size}-{path.stat().st_mtime_ns}"')
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        with path.open("rb") as file:
            while start < stop:
                start += os.sendfile(self.connection.fileno(), file.fileno(), start, stop - start)


def main() -> None:
    """Serve until nobody holds stdin any more."""
    handler = partial(Handler, directory=sys.argv[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
