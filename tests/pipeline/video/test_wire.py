"""Messages arrive whole, with their descriptors; what is not a message is refused."""

import os
import socket
import threading
import time

import pytest

from pipeline.video import wire


@pytest.fixture
def line():
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    yield ends
    for end in ends:
        end.close()


def test_request_with_descriptors(line, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"content")
    fd = os.open(path, os.O_RDONLY)
    wire.send(line[0], {"verb": "probe", "text": "é"}, [fd, fd])
    os.close(fd)
    message, fds = wire.receive_request(line[1])
    assert message == {"verb": "probe", "text": "é"}
    assert [os.pread(got, 7, 0) for got in fds] == [b"content", b"content"]
    assert not any(os.get_inheritable(got) for got in fds)
    for got in fds:
        os.close(got)
    line[0].close()
    assert wire.receive_request(line[1]) is None


def test_large_answers(line):
    message = {"times": [k / 29.97 for k in range(200_000)]}
    sender = threading.Thread(target=wire.send, args=(line[0], message))
    sender.start()
    assert wire.receive(line[1], time.monotonic() + 20) == message
    sender.join()


@pytest.mark.parametrize("body", [b"no json", b"[1]", b"[" * 100_000])
def test_nonsense(line, body):
    line[0].sendall(wire.HEADER.pack(len(body)) + body)
    with pytest.raises(wire.ClosedError):
        wire.receive(line[1], time.monotonic() + 5)


def test_a_length_beyond_the_bound_is_not_awaited(line):
    line[0].sendall(wire.HEADER.pack(1 << 62))
    with pytest.raises(wire.ClosedError, match="at most"):
        wire.receive(line[1], time.monotonic() + 5)


def test_deadline_and_end(line):
    line[0].sendall(b"\0")
    with pytest.raises(TimeoutError):
        wire.receive(line[1], time.monotonic() + 0.05)
    line[0].close()
    with pytest.raises(wire.ClosedError):
        wire.receive(line[1], time.monotonic() + 5)
