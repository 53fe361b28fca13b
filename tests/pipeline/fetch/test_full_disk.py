"""A disk that is really full while videos come: the run stops, nothing half stays, and goes on."""

import io
import re
import subprocess
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from manifests import tables
from manifests.dataset import Dataset

IDS = [f"abcdefghij{number}" for number in range(8)]


@pytest.fixture
def disk(small_disk):
    """A disk of 1.5 MB."""
    return small_disk("1500k")


@pytest.fixture
def annotated_on(disk, site, make_video, tmp_path, cli):
    """A root on that disk whose eight clips, 350 kB each, the site has for a source."""

    def make(source):
        video = make_video("full.mp4", size="320x240", frames=250).read_bytes()
        assert 200_000 < len(video) < 400_000
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name in IDS:
                site.files[f"/w/{name}.mp4"] = video
                info = tarfile.TarInfo(f"x/{name}_000000_000010.mp4")
                info.size = len(video)
                archive.addfile(info, io.BytesIO(video))
        site.files["/400/train/part_0.tar.gz"] = packed.getvalue()
        site.files["/400/train/k400_train_path.txt"] = (
            f"{site.url}/400/train/part_0.tar.gz".encode()
        )
        root, lists = disk / "root", tmp_path / "list.csv"
        if source == "https":
            lines = ["path,label,split", *(f"{site.url}/w/{name}.mp4,a,train" for name in IDS)]
            how = ("folder", "--csv", lists)
        else:
            lines = ["label,youtube_id,time_start,time_end,split"]
            lines += [f"a,{name},0,10,train" for name in IDS]
            how = ("kinetics", "--version", "400", "--lists", lists)
        lists.write_text("\n".join(lines))
        done = cli("annotate", *how, "--root", root)
        assert done.returncode == 0, done.stderr
        return root

    return make


@pytest.mark.parametrize("source", ["https", "cvdf", "youtube"])
def test_it_stops_keeps_what_is_whole_and_goes_on(annotated_on, disk, site, cli, tmp_path, source):
    root = annotated_on(source)
    command = ["download", "--root", root, "--source", source, "--keep-free", "0", "--jobs", "2"]
    command += ["--cvdf", site.url, "--youtube", f"{site.url}/w/{{id}}.mp4"]
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    done = cli(*command, **state)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("error:") == 1
    assert re.search(r"disk is full|has .* free, the next file takes", done.stderr)
    there = [*(root / "videos").rglob("*.mp4")]
    assert 0 < len(there) < 8 and len({path.stat().st_size for path in there}) == 1
    before = Counter(site.asked)
    subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
    done = cli(*command, **state)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = tables.latest(Dataset.open(str(root)).parts("download")).to_pylist()
    assert [row["status"] for row in rows] == ["done"] * 8
    assert not [*Path(root).rglob("*.part*")]
    if source != "cvdf":  # where the archive is one request for all of them
        names = {path.name.partition(".")[0].partition("-")[0] for path in there}
        again = [path for path, count in site.asked.items() if count > before[path]]
        assert not [path for path in again if path[3:-4] in names]
