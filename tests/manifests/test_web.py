"""A web server as storage: read-only, through drops, stalls, lies and changes."""

import http.server
import os
import random
import threading
import time
from functools import partial
from pathlib import Path

import pytest
import xxhash

from manifests import listing, web, webrequests
from manifests.content import Content
from manifests.errors import ClipmillError, StoppedError
from manifests.storage import open_storage
from manifests.web import WebStorage
from tests.web import Fault, Site

BIG = 300_000


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("CLIPMILL_STORE_PATIENCE", "5")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def data(site: Site) -> bytes:
    data = random.Random(1).randbytes(BIG)
    site.files["/root/x.tar"] = data
    return data


def content(data: bytes) -> Content:
    return Content("xxh3", xxhash.xxh3_64_hexdigest(data), len(data))


def here(store: WebStorage, path: str, **more: object) -> bytes | None:
    with store.fetched(path, **more) as found:  # type: ignore[arg-type]
        return found.read_bytes() if found.exists() else None


def test_what_lies_there_is_read(site: Site, data: bytes) -> None:
    store = open_storage(site.url + "/root/")
    assert isinstance(store, WebStorage) and store.root == site.url + "/root"
    site.files["/root/a%20b/%C3%BC"] = b"12"
    assert store.read("a b/ü") == b"12" and store.size("a b/ü") == 2
    assert store.read("x.tar") == data == here(store, "x.tar") and store.size("x.tar") == BIG
    assert store.size("no") is None and here(store, "no") is None
    assert here(store, "no", content=content(data)) is None
    with pytest.raises(FileNotFoundError):
        store.read("no")


def test_no_scratch_folder_is_not_a_missing_file(
    site: Site, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPMILL_SCRATCH", "/proc/none")  # where nobody makes a folder
    for known in (None, content(data)):
        store = open_storage(site.url + "/root")
        with pytest.raises(ClipmillError, match=r"scratch folder /proc/none .*cannot be made"):
            here(store, "x.tar", content=known)


def test_nothing_is_written(site: Site) -> None:
    store = open_storage(site.url)
    for ask in (
        lambda: store.write("x", b""),
        lambda: store.create("x", b""),
        lambda: store.writer("x"),
        lambda: store.part("x", 0),
        lambda: store.publish("x", "y"),
        lambda: store.delete("x"),
        lambda: store.place("x"),
    ):
        with pytest.raises(ClipmillError, match="is read-only"):
            ask()
    assert store.clean(".") == store.leftovers(".") == []
    assert not site.asked


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "x\0y"])
def test_paths_that_are_refused(site: Site, path: str) -> None:
    store = open_storage(site.url)
    for ask in (store.read, store.list, store.size, store.place, store.holds, store.fetched):
        with pytest.raises(ClipmillError, match="does not stay inside"):
            if hasattr(found := ask(path), "__enter__"):
                found.__enter__()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "root", ["http://", "https:///x", "http://h/?a=b", "http://h/#x", "http://h:0/", "http://[h/x",
             "http://h:x/", "http://h/a b"]
)  # fmt: skip
def test_addresses_of_no_folder(root: str) -> None:
    with pytest.raises(ClipmillError, match="expected the address of a folder"):
        open_storage(root)


def test_passwords_are_refused_and_never_shown(site: Site) -> None:
    with pytest.raises(ClipmillError, match="netrc") as caught:
        open_storage(site.url.replace("://", "://me:hush@"))
    assert "hush" not in str(caught.value)


def test_names_and_passwords_of_netrc(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hush\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    webrequests._known_to.cache_clear()
    try:
        assert webrequests._known_to("127.0.0.1:80") == {"authorization": "Basic bWU6aHVzaA=="}
        assert webrequests._known_to("other") == {}
    finally:
        webrequests._known_to.cache_clear()


def test_files_of_listing_json(site: Site, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"x.tar": BIG, "manifests/clips.parquet": 3, "manifests/pack/part-1.parquet": 4}
    site.files["/root/listing.json"] = listing.encode(files)
    store = open_storage(site.url + "/root")
    assert store.list(".") == {"x.tar": BIG}
    assert store.list("manifests") == {"clips.parquet": 3} and store.list("shards") == {}
    assert store.holds("manifests") and store.holds(".") and not store.holds("shards")
    assert site.asked["/root/listing.json"] == 1
    # After a moment it is asked for anew: the root may have changed.
    monkeypatch.setattr(web, "_FRESH_S", 0)
    store = open_storage(site.url + "/root")
    assert store.list(".") == {"x.tar": BIG}
    site.files["/root/listing.json"] = listing.encode(files | {"y.tar": 1})
    assert store.list(".") == {"x.tar": BIG, "y.tar": 1}
    with pytest.raises(ClipmillError, match=r"y\.tar is not there, and listing.json says"):
        store.read("y.tar")
    assert set(site.asked) == {"/root/listing.json", "/root/y.tar"}


def test_files_of_the_servers_own_pages(tmp_path: Path) -> None:
    for name, size in {"a": 1, "b/c": 2, "b/d e": 3, "b/.tmp": 4, "b/f/g": 5}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = partial(Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    store = open_storage(f"http://127.0.0.1:{server.server_port}")
    try:
        assert store.list("b") == {"c": 2, "d e": 3} and store.list(".") == {"a": 1}
        assert store.holds("b") and store.holds(".") and not store.holds("c")
        assert store.list("no") == {}
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_that_lists_nothing_is_an_error(site: Site, data: bytes) -> None:
    store = open_storage(site.url + "/root")
    with pytest.raises(ClipmillError, match=r"lists no files: .*clipmill listing --root DIR"):
        store.list("manifests/shards")


FAULTS = {
    "dropped": Fault(drop_after=70_000),
    "cut": Fault(short_after=70_000),
    "busy": Fault(status=503),
    "too many": Fault(status=429, retry_after="0"),
    "timeout": Fault(status=504, retry_after="nonsense"),
    "no ranges": Fault(drop_after=70_000, no_ranges=True),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_faults_are_got_through(site: Site, data: bytes, fault: Fault) -> None:
    site.faults = lambda path, number: fault if number < 3 else None
    store = open_storage(site.url + "/root")
    assert here(store, "x.tar", content=content(data)) == data
    assert site.asked["/root/x.tar"] == 4
    if not fault.no_ranges and not fault.status:
        assert [start for _, start in site.ranges] == [0, 70_000, 140_000, 210_000]
    site.faults = lambda path, number: fault if number < 1 else None
    site.asked.clear()
    assert store.read("x.tar") == data
    site.asked.clear()
    assert here(store, "x.tar") == data  # under its version: HEAD and GET


def test_a_stall_is_got_through(site: Site, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrequests, "_SILENCE_S", 0.3)
    site.faults = lambda path, number: Fault(stall_after=50_000) if number < 2 else None
    assert here(open_storage(site.url + "/root"), "x.tar", content=content(data)) == data
    assert [start for _, start in site.ranges] == [0, 50_000, 100_000]


def test_copies_are_asked_for_once(site: Site, data: bytes) -> None:
    store = open_storage(site.url + "/root")
    for _ in range(3):
        assert here(store, "x.tar", content=content(data)) == data
    assert site.asked["/root/x.tar"] == 1
    assert here(store, "x.tar", content=content(data), anew=True) == data
    assert site.asked["/root/x.tar"] == 2
    site.files["/other/y.tar"] = data
    assert here(open_storage(site.url + "/other"), "y.tar", content=content(data)) == data
    assert site.asked["/other/y.tar"] == 1, "roots do not meet: a digest can be forged"
    assert here(store, "x.tar") == data
    site.files["/root/x.tar"] = data[::-1]
    assert here(store, "x.tar") == data[::-1]


def test_a_file_that_is_exchanged_while_it_is_fetched(site: Site, data: bytes) -> None:
    new = data[::-1]

    def exchange(path: str, number: int) -> Fault | None:
        if number:
            site.files["/root/x.tar"] = new
        return None if number else Fault(drop_after=100_000)

    site.faults = exchange
    store = open_storage(site.url + "/root")
    # Known by its content: what came first is thrown away, and what comes is the right one.
    assert here(store, "x.tar", content=content(new)) == new
    site.asked.clear()
    site.files["/root/x.tar"] = data
    assert store.read("x.tar") == new
    site.asked.clear()
    site.files["/root/x.tar"] = data
    with pytest.raises(ClipmillError, match=r"x\.tar: .*as the tables have it; fetched twice"):
        here(store, "x.tar", content=content(data))
    site.faults = lambda path, number: Fault(drop_after=100_000) if number == 1 else None
    site.asked.clear()
    assert here(store, "x.tar") == new


LIES = {
    "a false length": lambda data: Fault(cut_at=len(data) - 1),
    "nothing": lambda data: Fault(cut_at=0),
    "a page": lambda data: Fault(page="<html>please log in</html>"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_lies_are_found(site: Site, data: bytes, lie: object) -> None:
    site.faults = lambda path, number: lie(data)  # type: ignore[operator]
    store = open_storage(site.url + "/root")
    with pytest.raises(ClipmillError, match=r"/root/x\.tar: .*fetched twice"):
        here(store, "x.tar", content=content(data))
    site.faults = lambda path, number: lie(data) if number == 0 else None  # type: ignore[operator]
    site.asked.clear()
    assert here(store, "x.tar", content=content(data)) == data


def test_a_server_that_has_more_than_it_should(site: Site, data: bytes) -> None:
    store = open_storage(site.url + "/root")
    with pytest.raises(ClipmillError, match=f"{BIG} bytes; expected {BIG - 1}, as the tables"):
        here(store, "x.tar", content=content(data[:-1]))


@pytest.mark.parametrize(
    "fault", [Fault(status=503), Fault(drop_after=0), Fault(status=429, retry_after="99")],
    ids=["503", "drop", "429"],
)  # fmt: skip
def test_patience_ends_and_the_file_is_named(
    site: Site, data: bytes, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPMILL_STORE_PATIENCE", "0.5")
    site.faults = lambda path, number: fault
    site.files["/root/listing.json"] = listing.encode({"x.tar": BIG})
    store = open_storage(site.url + "/root")
    for ask in (
        lambda: store.read("x.tar"),
        lambda: here(store, "x.tar", content=content(data)),
        lambda: store.list("shards"),
    ):
        with pytest.raises(StoppedError, match=r"127\.0\.0\.1:\d+ gives no more of it") as caught:
            ask()
        assert site.url in str(caught.value) and "\n" not in str(caught.value)
        assert caught.value.exit_code == 3
    with pytest.raises(StoppedError, match=r"/root/x\.tar cannot be read"):
        store.read("x.tar")


def test_every_byte_renews_patience(
    site: Site, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPMILL_STORE_PATIENCE", "0.5")
    site.faults = lambda path, number: Fault(short_after=20_000)
    began = time.monotonic()
    assert here(open_storage(site.url + "/root"), "x.tar", content=content(data)) == data
    assert time.monotonic() - began > 0.5 and site.asked["/root/x.tar"] == 15


def test_what_a_server_refuses(site: Site, data: bytes) -> None:
    store = open_storage(site.url + "/root")
    for status in (401, 403):
        site.faults = lambda path, number, status=status: Fault(status=status)
        with pytest.raises(ClipmillError, match=rf"refuses .*x\.tar \(status {status}"):
            store.read("x.tar")
    site.faults = lambda path, number: Fault(status=410)
    with pytest.raises(FileNotFoundError):
        store.read("x.tar")
    site.faults = lambda path, number: Fault(status=400)
    with pytest.raises(ClipmillError, match="answers with status 400"):
        store.read("x.tar")


def test_redirections(site: Site, data: bytes) -> None:
    store = open_storage(site.url + "/root")
    site.files["/there"] = data
    site.faults = lambda path, number: None if path == "/there" else Fault(location="/there")
    assert store.read("x.tar") == data and store.size("x.tar") == BIG
    for place in ("file:///etc/passwd", "ftp://127.0.0.1/x", "//[/", "gopher://x"):
        site.faults = lambda path, number, place=place: Fault(location=place)
        with pytest.raises(ClipmillError, match="cannot be read") as caught:
            store.read("x.tar")
        assert not isinstance(caught.value, StoppedError)
    site.faults = lambda path, number: Fault(location="/root/x.tar")
    with pytest.raises(ClipmillError, match="too many redirects"):
        store.read("x.tar")


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPMILL_STORE_PATIENCE", "0.3")
    with pytest.raises(
        StoppedError, match=r"http://127.0.0.1:1/dataset.toml cannot be read"
    ) as one:
        open_storage("http://127.0.0.1:1").read("dataset.toml")
    assert "0x" not in str(one.value)


def test_a_forked_child_makes_connections_of_its_own(site: Site, data: bytes) -> None:
    store = open_storage(site.url + "/root")
    assert store.read("x.tar") == data
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            try:
                os._exit(0 if all(store.read("x.tar") == data for _ in range(5)) else 1)
            finally:
                os._exit(2)
        children.append(child)
    assert all(store.read("x.tar") == data for _ in range(5))
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4


def test_a_full_disk_is_not_the_servers_fault(
    site: Site, data: bytes, small_disk: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(small_disk("200k")))  # type: ignore[operator]
    with pytest.raises(StoppedError, match="the disk is full"):
        here(open_storage(site.url + "/root"), "x.tar", content=content(data))
    assert site.asked["/root/x.tar"] == 1
