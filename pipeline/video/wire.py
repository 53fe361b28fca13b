"""The line between parent and child: JSON messages with a length in front, descriptors beside them.

Costs microseconds a message. No pickle: neither side can make the other run anything. The child
may have been taken over by a hostile video, so the parent bounds what it reads.
"""

from __future__ import annotations

import array
import json
import socket
import struct
import time
from typing import Any

MAX_MESSAGE = 256 << 20
MAX_REQUEST = 64 << 10
HEADER = struct.Struct("!Q")


class ClosedError(Exception):
    """The other side is gone, or does not keep to the form."""


def send(line: socket.socket, message: dict[str, Any], fds: list[int] | None = None) -> None:
    """Send one message; `fds` are given to the other process with its first bytes."""
    body = json.dumps(message).encode()
    data = HEADER.pack(len(body)) + body
    sent = socket.send_fds(line, [data], fds) if fds else 0
    line.sendall(data[sent:])


def receive(line: socket.socket, deadline: float | None = None) -> dict[str, Any]:
    """Read one message, until `deadline` (time.monotonic); no descriptors are taken.

    Raises:
        ClosedError: the line ended or carries nonsense.
        TimeoutError: the deadline passed.
    """
    (length,) = HEADER.unpack(_exactly(line, HEADER.size, deadline))
    if length > MAX_MESSAGE:
        raise ClosedError(f"a message of {length} bytes; at most {MAX_MESSAGE} are read")
    try:
        message = json.loads(_exactly(line, length, deadline))
    except (ValueError, RecursionError) as error:
        raise ClosedError(f"a message that is no JSON: {error}") from error
    if not isinstance(message, dict):
        raise ClosedError("a message that is no object")
    return message


def receive_request(line: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Child's side: the next request and its descriptors, None when the parent is gone."""
    fds = array.array("i")
    size = socket.CMSG_LEN(2 * fds.itemsize)
    data, ancillary, _, _ = line.recvmsg(MAX_REQUEST, size, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
    if not data:
        return None
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    while len(data) < HEADER.size:
        data += _exactly(line, HEADER.size - len(data), None)
    (length,) = HEADER.unpack(data[: HEADER.size])
    data += _exactly(line, HEADER.size + length - len(data), None)
    return json.loads(data[HEADER.size :]), list(fds)


def _exactly(line: socket.socket, count: int, deadline: float | None) -> bytes:
    data = bytearray()
    while len(data) < count:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            line.settimeout(left)
        try:
            piece = line.recv(min(count - len(data), 1 << 20))
        except TimeoutError:
            raise
        except OSError as error:
            raise ClosedError(str(error)) from error
        if not piece:
            raise ClosedError("the line ended")
        data += piece
    return bytes(data)
