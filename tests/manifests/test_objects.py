"""An object store as storage, against a real server that fails and drops connections."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash

from manifests import tables
from manifests.content import Content
from manifests.errors import ClipmillError, StoppedError
from manifests.objects import CHUNK, ObjectStorage
from manifests.storage import open_storage
from tests.objectstore import FaultyProxy, Store, serving

HERE = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with serving(tmp_path_factory.mktemp("scratch")) as store:
        yield store


@pytest.fixture
def store(
    server: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> ObjectStorage:
    """Storage of a prefix of its own, with a scratch folder of its own."""
    for name, value in server.environment(CLIPMILL_SCRATCH=str(tmp_path / "scratch")).items():
        monkeypatch.setenv(name, value)
    return ObjectStorage(f"s3://bucket/{request.node.name.partition('[')[0]}/")


def here(store: ObjectStorage, path: str) -> bytes:
    with store.fetched(path) as found:
        return found.read_bytes()


def test_what_is_written_is_read(store: ObjectStorage) -> None:
    assert store.root == "s3://bucket/test_what_is_written_is_read"
    store.write("a/x", b"12")
    store.write("a/x", b"345")
    store.write("a/b/y", b"")
    store.write("z", b"1")
    assert (store.read("a/x"), store.size("a/x"), store.size("a/b/y")) == (b"345", 3, 0)
    assert (here(store, "a/x"), here(store, "a/b/y")) == (b"345", b"")
    assert (store.list("a"), store.list("a/b"), store.list("no")) == ({"x": 3}, {"y": 0}, {})
    assert store.list(".") == {"z": 1}
    assert store.holds("a") and store.holds(".") and not store.holds("no")
    store.delete("a/x")
    store.delete("a/x")
    assert store.size("a/x") is None
    with pytest.raises(FileNotFoundError):
        store.read("a/x")
    with store.fetched("a/x") as path:
        assert not path.exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "x\0y"])
def test_paths_that_are_refused(store: ObjectStorage, path: str) -> None:
    for ask in (store.read, store.list, store.size, store.delete, store.place):
        with pytest.raises(ClipmillError, match="does not stay inside"):
            ask(path)


def test_create_keeps_what_is_there(store: ObjectStorage) -> None:
    assert store.create("plan", b"one") and not store.create("plan", b"one")
    assert store.read("plan") == b"one"


def test_a_writer_shows_nothing_before_its_block_ends(store: ObjectStorage, tmp_path: Path) -> None:
    data = os.urandom(2 * CHUNK + 12345)
    with store.writer("shards/x.tar") as out:
        for start in range(0, len(data), 100_000):
            out.write(memoryview(data)[start : start + 100_000])
        assert store.size("shards/x.tar") is None and store.list("shards") == {}
    assert store.size("shards/x.tar") == len(data)
    assert store.read("shards/x.tar") == data == here(store, "shards/x.tar")
    with pytest.raises(ZeroDivisionError), store.writer("shards/y.tar") as out:
        out.write(data)
        raise ZeroDivisionError
    assert store.list("shards") == {"x.tar": len(data)}
    files = [path.name for path in (tmp_path / "scratch" / "files").iterdir()]
    assert len(files) == 1 and files[0].endswith(".tar")


def test_a_download_grows_on_this_machine_and_is_seen_by_others_when_whole(
    store: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.part("videos/ab/x.mp4.part", 0) as out:
        out.write(b"abcXX")
    with store.part("videos/ab/x.mp4.part", 3) as out:
        out.write(b"def")
    assert store.size("videos/ab/x.mp4.part") == 6
    assert store.list("videos/ab") == {"x.mp4.part": 6} and store.holds("videos")
    store.publish("videos/ab/x.mp4.part", "videos/ab/x.mp4")
    assert store.list("videos/ab") == {"x.mp4": 6}
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(tmp_path / "another machine"))
    other = ObjectStorage(store.root)
    assert here(other, "videos/ab/x.mp4") == b"abcdef"
    with store.part("gone.part", 0) as out:
        out.write(b"1")
    assert other.size("gone.part") is None
    store.delete("gone.part")
    with pytest.raises(FileNotFoundError):
        store.publish("gone.part", "gone")


def test_a_copy_is_of_the_present_version(store: ObjectStorage, tmp_path: Path) -> None:
    store.write("x.mp4", b"old")
    assert here(store, "x.mp4") == b"old"
    store.write("x.mp4", b"new")
    assert here(store, "x.mp4") == b"new"
    # What lies in the scratch folder under the name is believed, but for `anew`.
    [*_, newest] = sorted(
        (tmp_path / "scratch" / "files").glob("[!.]*"), key=lambda path: path.stat().st_mtime_ns
    )
    newest.write_bytes(b"bad")
    assert here(store, "x.mp4") == b"bad"
    with store.fetched("x.mp4", anew=True) as path:
        assert path.read_bytes() == b"new"
    store.delete("x.mp4")
    assert not [*(tmp_path / "scratch" / "files").glob("[!.]*")]


def test_known_content_costs_a_request_a_chunk_once(
    store: ObjectStorage, server: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(CHUNK + 5)
    content = Content("xxh3", xxhash.xxh3_64_hexdigest(data), len(data))
    store.write("0.tar", data)
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(tmp_path / "another machine"))
    proxy = FaultyProxy(server.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    other = ObjectStorage(store.root)
    for _ in range(3):
        with other.fetched("0.tar", content=content) as path:
            assert path.read_bytes() == data
    assert proxy.requests == 2
    with other.fetched("missing.tar", content=content) as path:
        assert not path.exists(), "what another file holds is not taken for it"
    for wrong in (b"", data[:-1], data + b"x", data[:-1] + b"x"):
        store.write("0.tar", wrong)
        with (
            pytest.raises(ClipmillError, match=rf"{store.root}/0\.tar: .* fetched twice"),
            other.fetched("0.tar", content=content, anew=True),
        ):
            pass
    with other.fetched("missing.tar", content=content) as path:
        assert not path.exists()
    proxy.close()


def start(code: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        cwd=HERE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(HERE)},
    )


WRITING = """
import sys
from manifests import tables
from manifests.storage import open_storage
root, number = sys.argv[1], int(sys.argv[2])
store = open_storage(root)
print(int(store.create("plan", f"{number}".encode())))
for row in range(4):
    one = {"id": f"{number}-{row}", "reason": "", "dropped_at": 0}
    tables.append(store, "manifests/dropped", "dropped", tables.from_rows("dropped", [one]))
    tables.compact(store, "manifests/dropped", "dropped", ("id",))
"""


def test_sixteen_writers_lose_nothing_and_one_creates(
    store: ObjectStorage, server: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = FaultyProxy(server.port, fails=9, cuts=13)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    started = [start(WRITING, store.root, str(number)) for number in range(16)]
    said = [one.communicate(timeout=120)[0].strip() for one in started]
    assert [one.returncode for one in started] == [0] * 16
    assert sorted(said) == ["0"] * 15 + ["1"]
    winner = said.index("1")
    assert store.read("plan") == str(winner).encode()
    rows = tables.unique(tables.read_parts(store, "manifests/dropped", "dropped"), ["id"])
    wanted = sorted(f"{number}-{row}" for number in range(16) for row in range(4))
    assert rows["id"].to_pylist() == wanted
    assert proxy.failed > 20 and proxy.cut > 20
    proxy.close()


@pytest.mark.parametrize(("fails", "cuts"), [(2, 0), (0, 2), (3, 5)])
def test_errors_and_drops_are_tried_again(
    store: ObjectStorage, server: Store, monkeypatch: pytest.MonkeyPatch, fails: int, cuts: int
) -> None:
    proxy = FaultyProxy(server.port, fails, cuts)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    faulty = ObjectStorage(f"{store.root}/{fails}-{cuts}")
    data = os.urandom(3 * CHUNK + 7)
    for number in range(4):
        assert faulty.create(f"part-{number}", b"x" * 1000)
        assert not faulty.create(f"part-{number}", b"x" * 1000)
    with faulty.writer("big") as out:
        out.write(data)
    with faulty.fetched("big", anew=True) as path:
        assert path.read_bytes() == data
    assert faulty.list(".") == {"big": len(data)} | {f"part-{n}": 1000 for n in range(4)}
    assert faulty.read("part-1") == b"x" * 1000 and faulty.size("big") == len(data)
    faulty.delete("part-1")
    assert faulty.size("part-1") is None
    assert bool(proxy.failed) == bool(fails) and bool(proxy.cut) == bool(cuts)
    proxy.close()


KILLED = """
import sys
from manifests.storage import open_storage
with open_storage(sys.argv[1]).writer("shards/killed.tar") as out:
    for _ in range(30):
        out.write(bytes(1 << 20))
    print("written", flush=True)
"""


def test_a_killed_upload_leaves_nothing_to_be_seen(
    store: ObjectStorage, server: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = start(KILLED, store.root)
    assert one.stdout is not None and one.stdout.readline() == "written\n"
    one.kill()
    one.communicate()
    assert store.list("shards") == {} and store.size("shards/killed.tar") is None
    # Its room is given to others: what nobody holds goes first.
    left = [*(tmp_path / "scratch" / "files").glob(".*.tmp")]
    assert len(left) <= 1
    monkeypatch.setenv("CLIPMILL_SCRATCH_GB", "0.02")
    with ObjectStorage(store.root).writer("shards/next.tar") as out:
        out.write(bytes(1 << 20))
    assert not any(path.exists() for path in left)


def test_a_store_that_is_away_is_one_error(
    store: ObjectStorage, server: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = FaultyProxy(server.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("CLIPMILL_STORE_PATIENCE", "1")
    away = ObjectStorage(store.root)
    away.write("x", b"1")
    proxy.open = False
    for ask in (away.read, away.list, away.size, away.delete, away.holds):
        with pytest.raises(StoppedError, match="cannot be reached") as caught:
            ask("x")
        assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)
    with pytest.raises(StoppedError), away.writer("y") as out:
        out.write(b"2")
    proxy.open = True
    assert away.list(".") == {"x": 1}
    proxy.close()


def test_a_bucket_that_is_not_there(store: ObjectStorage) -> None:
    other = ObjectStorage("s3://no-such-bucket/x")
    for ask in (other.read, other.list):
        with pytest.raises(ClipmillError, match="bucket of s3://no-such-bucket/x does not exist"):
            ask("x")
    with pytest.raises(ClipmillError, match="does not exist"):
        other.write("x", b"")


def test_wrong_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path, free_requests=1) as strict:
        for name, value in strict.environment(AWS_SECRET_ACCESS_KEY="hush").items():
            monkeypatch.setenv(name, value)
        with pytest.raises(StoppedError, match="refuses these credentials") as caught:
            open_storage("s3://bucket/x").read("x")
        assert "hush" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("root", ["ftp://host/x", "s3://", "s3://b?x=1"])
def test_roots_that_are_no_object_store(root: str) -> None:
    with pytest.raises(ClipmillError, match="expected a local folder"):
        open_storage(root)


@pytest.mark.parametrize("value", ["x", "-1", "nan", "99999"])
def test_patience_is_a_number(
    store: ObjectStorage, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CLIPMILL_STORE_PATIENCE", value)
    with pytest.raises(ClipmillError, match="CLIPMILL_STORE_PATIENCE"):
        ObjectStorage("s3://bucket/x").read("x")


def test_without_obstore_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['obstore'] = None\n"
        "from manifests.storage import open_storage\n"
        "try: open_storage('s3://bucket/x')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    said = start(code).communicate(timeout=60)[0]
    assert said.startswith("ClipmillError") and "pip install 'clipmill[s3]'" in said
