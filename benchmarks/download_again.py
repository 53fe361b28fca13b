"""`clipmill download` over 480,000 clips of which each one has its outcome: seconds and memory.

The lists are those of annotate.py; of ten clips nine came from CVDF's archives, and one is gone or
failed. Nothing is to do, so nothing may be asked of anyone: the address given is one at which
nobody listens. Writes results/download_again.json. The bounds are 10 seconds and 2 GB.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from annotate import CLIPS, annotate, write_lists
from machine import about, in_child, keep, measured

NOBODY = "http://127.0.0.1:9"


def prepare(root: str) -> None:
    """Annotate, and write outcomes as a finished download leaves them."""
    from manifests.dataset import Dataset
    from manifests.reasons import Reason
    from pipeline import outcome
    from pipeline.acquiring.locate import own_stem

    with tempfile.TemporaryDirectory() as lists:
        write_lists(Path(lists))
        annotate(lists, root)
    dataset = Dataset.open(root)
    versions = {"pyav": "18.1.0", "libavcodec": "62.11.100"}
    columns = [dataset.clips[name].to_pylist() for name in ("clip_id", "source", "start_s")]
    rows: list[dict[str, Any]] = []
    for number, (clip, source, start) in enumerate(zip(*columns, strict=True)):
        if number % 10:
            row = outcome.done(clip, 1, 0.01, versions) | {
                "path": own_stem(source) + ".mp4",
                "bytes": 1_000_000 + number,
                "sha256": f"{number:064x}",
                "file_start_s": start,
                "duration_s": 10.0,
                "fps": 30.0,
                "width": 340,
                "height": 256,
                "container": "mov,mp4,m4a,3gp,3g2,mj2",
                "codec": "h264",
                "packets": 300,
                "rotation": 0,
            }
        else:
            text = "none of CVDF's archives has it"
            row = outcome.failed(clip, 1, 0.0, {}, Reason.NO_SOURCE, text)
            row["status"] = "gone" if number % 20 else "failed"
        rows.append(row | {"via": "cvdf"})
    for at in range(0, len(rows), 50_000):
        dataset.append("download", rows[at : at + 50_000])


def again(root: str) -> None:
    """Do what `clipmill download` does, in this process."""
    from manifests.console import Ui
    from pipeline import running
    from pipeline.fetch.network import Network

    options = running.Options(network=Network(cvdf=NOBODY))
    [*summaries] = running.run(root, ["download"], options, Ui())
    if any(one.planned for one in summaries):
        raise SystemExit(f"something was to do: {summaries}")


def main() -> None:
    """Measure it three times and keep the last two: the first one compacts the outcomes."""
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["XDG_STATE_HOME"] = temporary
        root = f"{temporary}/root"
        measured(__file__, "prepare", root)
        runs = [measured(__file__, "again", root) for _ in range(3)]
        result = {"machine": about(), "clips": sum(CLIPS.values()), "first": runs[0]}
        result["again"] = runs[1:]
    print(json.dumps(result, indent=1))
    print("written to", keep("download_again", result))


if __name__ == "__main__":
    main() if len(sys.argv) == 1 else in_child({"prepare": prepare, "again": again})
