"""What a person reads: the three numbers of coverage at once, all classes where asked."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.console import Ui
from pipeline.fetch.pace import Pace, Rates
from pipeline.reporting.show import part, show
from pipeline.status import status


@given(of=st.integers(1, 10**7), share=st.floats(0, 1))
def test_only_what_is_whole_is_called_so(of: int, share: float) -> None:
    count = int(of * share)
    text = part(count, of)
    assert (text == "100%") == (count == of)
    assert float(text.removesuffix("%")) <= 100 * count / of + 1e-9


def test_a_share_of_nothing_is_no_share() -> None:
    assert part(0, 0) == ""


def test_the_page(
    tmp_path: Path, listed: Any, outcome: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = {f"c{number:02d}": f"youtube:c{number:02d}" for number in range(24)}
    labels = {clip: f"class {clip}" for clip in clips}
    dataset = listed(tmp_path / "root", clips, labels=labels)
    for clip in [*clips][:6]:
        outcome(dataset, "download", clip, "done", via="cvdf", bytes=10**6)
    outcome(dataset, "download", "c10", "failed", "no_source", via="cvdf", message="in none")
    outcome(dataset, "download", "c11", "gone", "removed", via="youtube", message="taken down")
    file = tmp_path / "budgets.json"
    pace = Pace(Rates({"": 300}), file, lambda text: None)
    pace.blocked("www.youtube.com", "not a bot")
    report = status(dataset, None, file)
    show(report, Ui())
    out, said = capsys.readouterr()
    assert "392,622" in out and "25.0%" in out and "the first release" in out
    assert "removed" in out and "in none" in out and "6.0 MB" in out
    assert "CVDF's copy 427,549 / 29,793 / 72,924" in said
    assert "www.youtube.com blocks this address (1 in a row) until" in said
    assert f"Next: {report['next']}" in said
    assert sum(f"class c{number:02d}" in out for number in range(24)) == 10
    show(report, Ui(), every_class=True)
    out, _ = capsys.readouterr()
    rows = [line for line in out.splitlines() if "class c" in line]
    assert len(rows) == 24 and "class c05" in rows[-1], "the worst first"
