"""Several sources in one command: each for what those before it lack, whatever becomes of them."""

import json
from collections import Counter

import pytest

from manifests import tables
from manifests.dataset import Dataset
from tests.pipeline.fetch.cvdf.laid import packed

IDS = [f"abcdefghij{number}" for number in range(6)]
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def root(site, make_video, tmp_path, cli):
    """Six clips of Kinetics-400: three in an archive, one broken; a mirror has all by id."""
    video = make_video("sources.mp4", frames=40).read_bytes()
    site.files |= {f"/w/{name}.mp4": video for name in IDS}
    members = {f"x/{name}_000000_000001.mp4": video for name in IDS[:3]}
    members[f"x/{IDS[1]}_000000_000001.mp4"] = b""
    site.files["/400/train/part_0.tar.gz"] = packed(members)
    site.files["/400/train/k400_train_path.txt"] = f"{site.url}/400/train/part_0.tar.gz".encode()
    lines = ["label,youtube_id,time_start,time_end,split"]
    lines += [f"a,{name},0,1,train" for name in IDS]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    how = ("kinetics", "--version", "400", "--lists", tmp_path / "list.csv")
    done = cli("annotate", *how, "--root", tmp_path / "root", "--frames", "4", "--size", "16")
    assert done.returncode == 0, done.stderr
    return tmp_path / "root"


@pytest.fixture
def run(cli, site, root, tmp_path):
    def do(verb, *options, cvdf=site.url, youtube=site.url, code=0):
        command = [verb, "--root", root, "--json", "--cvdf", cvdf, *options]
        command += ["--youtube", f"{youtube}/w/{{id}}.mp4"]
        done = cli(*command, XDG_STATE_HOME=str(tmp_path / "state"))
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return do


def brought(root):
    rows = tables.finished(Dataset.open(str(root)).parts("download"))
    return Counter(rows["via"].to_pylist())


def test_what_the_archives_lack_or_have_broken_falls_to_youtube(run, root, site):
    run("download", "--source", "cvdf,youtube")
    assert brought(root) == {"cvdf": 2, "mirror": 4}
    before = Counter(site.asked)
    run("download", "--source", "cvdf,youtube")
    assert site.asked == before


def test_youtube_is_not_asked_for_what_another_machine_may_find_in_its_archives(run, root, site):
    other = f"{site.url}/400/train/part_1.tar.gz"
    site.files["/400/train/k400_train_path.txt"] += f"\n{other}".encode()
    site.files["/400/train/part_1.tar.gz"] = packed({"x/y.txt": b"nothing"})
    command = ("download", "--source", "cvdf,youtube", "--part")
    run(*command, "2/2")  # three videos fall to it; the other's archive may have them
    assert not brought(root) and not [path for path in site.asked if path.startswith("/w")]
    for part in ("1/2", "2/2"):  # by now it is known what is in none
        run(*command, part)
    assert brought(root) == {"cvdf": 2, "mirror": 4}
    assert max(n for path, n in site.asked.items() if "part_" in path) == 1
    before = Counter(site.asked)
    for part in ("1/2", "2/2"):
        run(*command, part)
    assert site.asked == before


def test_the_order_is_the_user_s(run, root, site):
    run("download", "--source", "youtube,cvdf")
    assert brought(root) == {"mirror": 6}
    assert not [path for path in site.asked if path.startswith("/400")]


def test_unasked_youtube_is_left_alone(run, root, site):
    run("download")
    assert brought(root) == {"cvdf": 2}
    assert not [path for path in site.asked if path.startswith("/w")]


def test_a_source_that_cannot_be_reached_keeps_none_from_work(run, root):
    done = run("download", "--source", "cvdf,youtube", cvdf=NOBODY, code=3)
    assert brought(root) == {"mirror": 6}
    assert "Going on with what is left" in done.stderr and NOBODY in done.stderr
    assert "Traceback" not in done.stderr


def test_build_packs_what_is_here_all_the_same(run, root):
    run("download", "--source", "cvdf")
    run("build", "--source", "cvdf", "--retry", "failed", code=0)
    assert Dataset.open(str(root)).parts("samples").num_rows == 2


def test_build_packs_though_nobody_answers(run, root):
    run("download", "--source", "youtube", "--limit", "3")
    done = run("build", cvdf=NOBODY, code=3)
    assert Dataset.open(str(root)).parts("samples").num_rows == 3
    assert json.loads(done.stdout)["exit_code"] == 3
