"""Over two hundred hostile archives: none escapes, none takes more than 5 s or 512 MB.

Each is unpacked by a forked child, every member wanted, in a folder with a canary beside it. The
bound is on CPU time, the readers' included, since the machine may be busy.
"""

import bz2
import contextlib
import gzip
import hashlib
import io
import json
import lzma
import os
import random
import re
import resource
import signal
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

VARIATIONS = range(8)
SECONDS = 5.0
MEMORY = 512 << 20
PASSES = "passes"  # ends well: what was regular is there under our name
ERROR = "error"  # any other word is a pattern of the error
EITHER = "either"
OUT = "../../../../escaped.avi", "/escaped.avi", "a/../../escaped.avi", "..\\..\\escaped.avi"
OUT += "C:\\escaped.avi", "\\\\host\\escaped.avi", "./../escaped.avi", ".."
DATA = bytes(range(256)) * 20
MAKERS: dict[str, tuple[str, Callable[[random.Random, int, Any], bytes]]] = {}


def kind(expected: str):
    def register(make: Callable[[random.Random, int, Any], bytes]):
        MAKERS[make.__name__] = expected, make
        return make

    return register


def tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def info(name: str, type: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = type, link
    return made


def header(name: str, size: int, type: bytes = tarfile.REGTYPE) -> bytes:
    made = info(name, type)
    made.size = size
    return made.tobuf(tarfile.GNU_FORMAT)


def zipped(*members: tuple[zipfile.ZipInfo | str, bytes], method: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def zeros(megabytes: int, form: str) -> bytes:
    """Zeros in streams of 16 MB, one after the other, each compressed once."""
    made = squeeze(bytes(16 << 20), form)
    return made * (megabytes // 16)


def squeeze(data: bytes, form: str) -> bytes:
    if form == "zstd":
        return pa.compress(data, "zstd", asbytes=True)
    return {"gzip": gzip, "bzip2": bz2, "xz": lzma}[form].compress(data)


FORMS = "gzip", "bzip2", "xz", "zstd"


@kind(r"absolute name|steps outside")
def tar_name_outside(rng, n, rar):
    return tar((info("good.avi"), DATA), (info(OUT[n]), DATA))


@kind(r"absolute name|steps outside")
def tar_gnu_long_name_outside(rng, n, rar):
    return tar((info("x/" * 60 + "../" * 70 + OUT[n]), DATA), form=tarfile.GNU_FORMAT)


@kind(r"absolute name|steps outside")
def zip_name_outside(rng, n, rar):
    return zipped(("good.avi", DATA), (OUT[n], DATA))


@kind(r"absolute name|steps outside")
def rar_name_outside(rng, n, rar):
    return rar[n % 2].archive([rar[n % 2].file(OUT[n].encode(), DATA)])


@kind(PASSES)
def tar_through_a_link(rng, n, rar):
    target = ("../..", "/", "/tmp", ".", "d", "../canary", "/proc/self/cwd/..", "d/../..")[n]
    return tar((info("d", tarfile.SYMTYPE, target), b""), (info("d/escaped.avi"), DATA))


@kind(r"no regular file .*link")
def tar_of_links_alone(rng, n, rar):
    types = tarfile.SYMTYPE, tarfile.LNKTYPE
    return tar(*((info(f"{i}.avi", types[i % 2], OUT[n]), b"") for i in range(1, n + 3)))


@kind(r"no regular file .*(device|pipe)")
def tar_of_devices(rng, n, rar):
    types = tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE
    return tar(*((info(f"{i}.avi", types[i % 3]), b"") for i in range(n + 1)))


@kind(PASSES)
def zip_of_links_and_devices(rng, n, rar):
    modes = 0o120777, 0o020666, 0o060666, 0o010666, 0o140777
    odd = []
    for i in range(n + 1):
        made = zipfile.ZipInfo(f"{i}.avi")
        made.create_system, made.external_attr = 3, modes[i % 5] << 16
        odd.append((made, b"/etc/passwd"))
    return zipped(*odd, ("good.avi", DATA))


@kind(PASSES)
def rar_of_links(rng, n, rar):
    four = rar[0]
    link = four.file(b"d", (b"/", b"..", b"/etc/passwd")[n % 3], 0o120777)
    return four.archive([link] * (n + 1) + [four.file(b"d/escaped.avi", DATA)])


@kind(EITHER)
def tar_sparse(rng, n, rar):
    if n % 2:
        head = bytearray(header("bomb.avi", 512, tarfile.GNUTYPE_SPARSE))
        head[482], head[483:495] = n > 4, b"77777777777\0"
        head[148:156] = b"%06o\0 " % (sum(head[:148]) + 256 + sum(head[156:]))
        return bytes(head) + bytes(512) * 3 + header("good.avi", 0) + bytes(1024)
    made = info("bomb.avi")
    made.pax_headers = {"GNU.sparse.realsize": str(1 << 60), "GNU.sparse.map": "0,1" * n}
    return tar((made, bytes(512)), (info("good.avi"), DATA))


@kind(r"holds a header of [0-9,]+ bytes")
def tar_endless_header(rng, n, rar):
    type = (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, b"K")[n % 4]
    head = header("long", (1 << 30) if n < 4 else (1 << 62), type)
    return squeeze(head, "gzip") + zeros(1024, "gzip")


@kind(r"headers before one member")
def tar_headers_without_end(rng, n, rar):
    type = (b"L", b"K", b"x", b"g")[n % 4]
    one = header("long", 0 if n < 4 else 512, type) + (b"" if n < 4 else b"12 path=abc\n" * 42)
    one += bytes(-len(one) % 512)
    return squeeze(header("x" * 3, 0) + one * 50_000, "gzip" if n % 2 else "xz")


@kind(
    r"more than 1,000 records|PAX record|a member's size|absolute name"
    r"|ends [0-9,]+ bytes before|it ends inside"
)
def tar_odd_records(rng, n, rar):
    odd = (b"6 a=b\n" * 9000, b"9" * 60_000, b"99999 path=x\n", b"0 path=x\n", b"-9 path=x\n")
    odd += (b"12 size=-99\n", b"22 size=1" + b"0" * 12 + b"\n", b"13 path=/abc\n")
    return (
        header("p", len(odd[n]), tarfile.XHDTYPE)
        + odd[n]
        + bytes(-len(odd[n]) % 512)
        + header("x", 0)
        + bytes(1024)
    )


@kind(r"as archive bombs do")
def tar_bomb(rng, n, rar):
    form = FORMS[n % 4]
    name = header("bomb.avi", 8 << 30) if n < 4 else header("many.avi", 1 << 62)
    return squeeze(name, form) + zeros(1024, form)


@kind(r"holds a member of -|it ends inside|ends [0-9,]+ bytes before")
def tar_lies_about_size(rng, n, rar):
    head = bytearray(header("lie.avi", 0))
    sizes = -1, -512, -(1 << 62), (1 << 62), (1 << 63) - 1, 1 << 40, len(DATA) + 5000, 1 << 70
    head[124:136] = (b"\xff" if sizes[n] < 0 else b"\x80") + sizes[n].to_bytes(11, signed=True)
    head[148:156] = b"%06o\0 " % (sum(head[:148]) + 256 + sum(head[156:]))
    return bytes(head) + DATA + bytes(1024)


@kind(r"cut off|breaks off|ends inside|ends [0-9,]+ bytes before")
def tar_cut_off(rng, n, rar):
    whole = tar((info("a.avi"), rng.randbytes(9000)), (info("b.avi"), rng.randbytes(9000)))
    whole = whole[: 2 * (512 + 9216)]
    whole = squeeze(whole, FORMS[n % 4]) if n > 3 else whole
    return whole[: rng.randrange(600, len(whole))] if n else whole


@kind(EITHER)
def flipped_bytes(rng, n, rar):
    members = [(f"{i}.avi", rng.randbytes(600)) for i in range(9)]
    whole = (
        lambda: tar(*((info(a), b) for a, b in members)),
        lambda: zipped(*members, method=8),
        lambda: rar[0].archive([rar[0].file(a.encode(), b) for a, b in members]),
        lambda: rar[1].archive([rar[1].file(a.encode(), b) for a, b in members]),
    )[n % 4]()
    damaged = bytearray(squeeze(whole, "gzip") if n == 4 else whole)
    for _ in range(12):
        damaged[rng.randrange(30, len(damaged))] = rng.randrange(256)
    return bytes(damaged)


@kind(EITHER)
def odd_names(rng, n, rar):
    odd = ("a\nb.avi", "a\x00b.avi", "\udcff\udcfe.avi", "x" * 5000, "-rf", "$(touch x)", "|x", "~")
    if n % 2:
        return tar((info(odd[n]), DATA), (info("good.avi"), DATA))
    return rar[0].archive([rar[0].file(os.fsencode(odd[n]), DATA), rar[0].file(b"b", DATA)])


@kind(PASSES)
def same_name_again(rng, n, rar):
    names = ["a.avi", "./a.avi", "a.avi", ".//a.avi"] * (n + 1)
    if n % 2:
        return tar(*((info(name), DATA if not i else b"other") for i, name in enumerate(names)))
    return rar[0].archive(
        rar[0].file(name.encode(), DATA if not i else b"other") for i, name in enumerate(names)
    )


@kind(r"members for its size|directory is shorter")
def huge_count(rng, n, rar):
    if n % 2:
        heads = b"".join(header(f"{rng.random()}", 0) for _ in range(500))
        return squeeze(heads, FORMS[n // 2]) * 300
    record = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[0] * 9, 3, *[0] * 6) + b"x/y"
    entries = record * (200_000 + 50_000 * n)
    return b"PK\3\4" + entries + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entries), 4, 0)


@kind(r"over the bytes of other members")
def zip_overlaps(rng, n, rar):
    whole = zipped(("a.avi", bytes(1 << 20)), method=8)
    at = whole.index(b"PK\1\2")
    record, count = whole[at : whole.index(b"PK\5\6")], 50 * (n + 1)
    entries = b"".join(record[:-5] + b"%05d" % i for i in range(count))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(entries), at, 0)
    return whole[:at] + entries + end


@kind(r"as archive bombs do")
def zip_bomb(rng, n, rar):
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflate.compress(bytes(8 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    data, size = block * 128 + deflate.flush(), 128 * (8 << 20) + (n % 2) * 1000
    name, crc = b"bomb.avi", 0
    shared = (20, 0, 8, 0, 0, crc, len(data), size, len(name), 0)
    local = struct.pack("<4s5H3L2H", b"PK\3\4", *shared) + name + data
    record = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *shared, 0, 0, 0, 0, 0) + name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(record), len(local), 0)
    bomb = local + record + end
    return zipped((f"{n}.zip", bomb), method=8 * (n % 4 == 3)) if n > 3 else bomb


@kind(r"is damaged|over the bytes|encrypted")
def zip_lies(rng, n, rar):
    whole = bytearray(zipped(("a.avi", DATA), ("b.avi", DATA), method=8 * (n % 2)))
    at = whole.index(b"PK\1\2")
    place, value = (
        (at + 24, 10),  # size, smaller
        (at + 24, 1 << 30),  # and larger
        (at + 20, 1 << 30),  # packed size
        (at + 42, 1 << 30),  # place
        (at + 16, 7),  # checksum
        (whole.index(b"PK\5\6") + 12, 1 << 30),  # directory's length
        (whole.index(b"PK\5\6") + 16, 1 << 31),  # and place
        (at + 8, 1),  # encrypted
    )[n]
    struct.pack_into("<L" if n < 7 else "<H", whole, place, value)
    return bytes(whole)


@kind(PASSES)
def nested_deeply(rng, n, rar):
    whole = zipped(("good.avi", DATA))
    for depth in range(5 + 10 * n):
        form = (n + depth) % 3
        if form == 0:
            whole = zipped((f"{depth}.zip", whole))
        elif form == 1:
            whole = tar((info(f"{depth}.tar"), whole))
        else:
            whole = rar[n % 2].archive([rar[n % 2].file(b"%d.rar" % depth, whole)])
    return whole


@kind(r"is damaged|cannot be read by|as archive bombs do")
def rar_lies(rng, n, rar):
    four, five = rar
    return (
        lambda: four.archive([four.file(b"a", DATA, flags=0x100, size=1 << 60)]),
        lambda: four.archive([four.file(b"a", DATA, flags=0x100, packed=1 << 63)]),
        lambda: four.archive([four.file(b"a", DATA, crc=1)]),
        lambda: four.mark + four.block(0x73, 0, bytes(6)) + four.block(0x74, 0x8000, b"\0\0\0\0"),
        lambda: five.archive([five.file(b"a", DATA, size=1 << 60)]),
        lambda: five.archive([five.file(b"a", DATA, packed=1 << 69)]),
        lambda: five.archive([five.file(b"a", DATA, extra=b"\xff\xff\x7f")]),
        lambda: five.mark + bytes(4) + b"\xff" * 11,
    )[n]()


@kind(r"headers for its size|more bytes of headers|holds a header of")
def rar_headers_without_end(rng, n, rar):
    four, five = rar
    record = five.record(9, b"") * 20_000
    slow = (four.file(b"a\0" + bytes(64_000), b"", flags=0x200), five.file(b"a", b"", extra=record))
    blocks = (four.block(0x75, 0, b"") * 2_000_000, five.block(9, 0) * 2_000_000)
    many = (slow[0] * 1_000, slow[1] * 1_000)[n % 2] if n % 4 > 1 else blocks[n % 2]
    whole = rar[n % 2].archive([many])
    return zipped(("a.rar", whole), method=8) if n < 4 else whole[: 40 << 20]


@kind(r"archives for its size")
def archives_without_end(rng, n, rar):
    one = rar[n % 2].archive([rar[n % 2].file(b"a.avi", DATA[:40])])
    if n % 4 == 3:
        one = zipped(("a.avi", b"x"))
    if n < 4:
        return zipped(*((f"{i}.rar", one) for i in range(1500)), method=8)
    return tar(*((info(f"{i}.rar"), one) for i in range(1500)))


def unpack_in_child(archive: Path, base: Path, result: Path) -> None:
    """Unpack every member under a name of ours, in bounded memory; tell what happened."""
    from manifests.errors import ClipmillError
    from manifests.storage import open_storage
    from pipeline.archive.unpack import unpack

    os.chdir(base / "work")
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))

    def own(name: str) -> str:
        return f"videos/{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"

    try:
        done = unpack(archive, own, open_storage(base / "root"))
        told: dict[str, Any] = {"is": PASSES, "written": done.written, "over": done.passed_over}
        if done.damaged:
            told |= {"is": ERROR, "text": str(next(iter(done.damaged.values())))}
    except ClipmillError as error:
        told = {"is": ERROR, "text": str(error)}
    except BaseException as error:
        told = {"is": "crash", "text": repr(error)}
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    told["seconds"] = sum(usage.ru_utime + usage.ru_stime for usage in used)
    result.write_text(json.dumps(told))


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if "root" not in path.relative_to(folder).parts
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("variation", VARIATIONS)
@pytest.mark.parametrize("name", MAKERS)
def test_it_ends_soon_inside_and_with_a_sentence(
    tmp_path, monkeypatch, rar4, rar5, name, variation
):
    expected, make = MAKERS[name]
    base = tmp_path / "base"
    for folder in ("canary", "work", "temporary"):
        (base / folder).mkdir(parents=True)
    (base / "canary" / "escaped.avi").write_bytes(b"as it was")
    archive, result = base / "hostile.bin", tmp_path / "result.json"
    archive.write_bytes(make(random.Random(f"{name} {variation}"), variation, (rar4, rar5)))
    before = tree(base)
    monkeypatch.setattr("tempfile.tempdir", str(base / "temporary"))
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            unpack_in_child(archive, base, result)
        os._exit(0)
    deadline = time.monotonic() + 60
    while not os.waitpid(child, os.WNOHANG)[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pytest.fail(f"{name} does not end")
        time.sleep(0.002)
    told = json.loads(result.read_text())
    if expected in (PASSES, EITHER):
        assert told["is"] in (PASSES, expected.replace(EITHER, ERROR)), told
    else:
        assert told["is"] == ERROR and re.search(expected, told["text"]), told
    assert told["seconds"] < SECONDS, told
    assert tree(base) == before
    assert not Path("/escaped.avi").exists()
    videos = base / "root" / "videos"
    files = [path for path in (base / "root").rglob("*") if not path.is_dir()]
    assert all(len(path.name) == 64 and path.parent == videos for path in files)
    assert not any(path.is_symlink() or not path.is_file() for path in files)
    if told["is"] == ERROR:
        assert str(archive) in told["text"] and len(told["text"]) < 1000
        assert told["text"].isprintable()
    else:
        assert told["written"] == len(files)


def test_there_are_two_hundred():
    assert len(MAKERS) * len(VARIATIONS) >= 200
