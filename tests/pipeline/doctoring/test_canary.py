"""The canaries against a real server: an answer, a block, a page that is none, nobody."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests import annotations
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec
from pipeline.doctoring.canary import VIDEO, cvdf, youtube
from pipeline.doctoring.finding import Finding, Patient

LIST = "600/val/k600_val_path.txt"
LISTED = b"https://s3.amazonaws.com/kinetics/600/val/abseiling.tar.gz\n"
Ask = Callable[[Any, Callable[..., Patient]], Finding]


def ask_cvdf(site: Any, patient: Callable[..., Patient]) -> Finding:
    return cvdf(patient(cvdf=site.url))


def ask_youtube(site: Any, patient: Callable[..., Patient]) -> Finding:
    return youtube(patient(youtube=site.url + "/{id}.mp4"))


BOTH = pytest.mark.parametrize("ask", [ask_cvdf, ask_youtube])


def fill(site: Any, make_video: Callable[..., Any]) -> None:
    site.files = {f"/{LIST}": LISTED, f"/{VIDEO}.mp4": make_video("a.mp4")}


@BOTH
def test_an_answer(
    ask: Ask, site: Any, patient: Callable[..., Patient], make_video: Callable[..., Any]
) -> None:
    fill(site, make_video)
    found = ask(site, patient)
    assert found.level == "ok" and site.url in found.found, found
    assert sum(site.asked.values()) <= 2, "a small request"


@BOTH
@pytest.mark.parametrize(
    ("status", "reason", "cure"),
    [
        (429, "blocked", "wait some hours"),
        (503, "network", "look at the network"),
        (403, "access", "look at the network"),
        (404, "removed", "look at the address"),
    ],
)
def test_a_refusal_is_told_as_the_taxonomy_has_it(
    ask: Ask,
    site: Any,
    fault: Callable[..., Any],
    patient: Callable[..., Patient],
    make_video: Callable[..., Any],
    status: int,
    reason: str,
    cure: str,
) -> None:
    fill(site, make_video)
    site.faults = lambda path, number: fault(status=status)
    found = ask(site, patient)
    assert (found.level, found.details["reason"]) == ("warn", reason), found
    assert found.cure.startswith(cure) and str(status) in found.found


@BOTH
def test_a_page_instead_of_an_answer(
    ask: Ask, site: Any, fault: Callable[..., Any], patient: Callable[..., Patient]
) -> None:
    site.faults = lambda path, number: fault(
        page='<html><title>Log in to the hotel</title><video src="/a.mp4"></video></html>'
    )
    assert ask(site, patient).level == "warn"


def test_nobody_there(patient: Callable[..., Patient]) -> None:
    for found in (cvdf(patient()), youtube(patient(youtube="http://127.0.0.1:9/{id}.mp4"))):
        assert (found.level, found.details["reason"]) == ("warn", "network"), found
        assert "refused" in found.found and len(found.found) < 250


def test_a_proxy_stands_in_between(
    site: Any, patient: Callable[..., Patient], make_video: Callable[..., Any]
) -> None:
    fill(site, make_video)
    proxy = "http://127.0.0.1:9"
    assert cvdf(patient(cvdf=site.url, proxy=proxy)).level == "warn"
    assert youtube(patient(youtube=site.url + "/{id}.mp4", proxy=proxy)).level == "warn"
    assert not site.asked


def test_the_list_asked_for_is_that_of_the_data_set_at_hand(
    tmp_path: Path, site: Any, patient: Callable[..., Patient]
) -> None:
    site.files = {"/700_2020/val/k700_2020_val_path.txt": LISTED}
    assert cvdf(patient(cvdf=site.url)).level == "warn"
    label, row = Label(0, "run", "run"), SplitRow("official", "a", "val")
    clip = Clip("a", "kinetics700-2020", "run", 0, "a", "youtube:a", 0.0, 10.0)
    found = Annotation("kinetics700-2020", [clip], [label], [row], ["official"])
    annotations.annotate(str(tmp_path / "root"), found, ClipSpec(), 0, "")
    assert cvdf(patient(cvdf=site.url)).level == "ok"
