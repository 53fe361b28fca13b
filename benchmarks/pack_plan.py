"""Planning a pack of 480,000 clips, and cutting the plan into units: seconds and memory.

The root is that of download_again.py: nine of ten clips are there as far as the tables say. The
plan is made, written, read back and cut into shards' jobs, as `clipmill pack` does before its
first clip. Writes results/pack_plan.json. The bounds are 15 seconds and 2 GB.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

from annotate import CLIPS
from download_again import prepare
from machine import about, in_child, keep, measured


def plan(root: str) -> None:
    """Plan as `pack` does, and say how many shards it came to."""
    from manifests.dataset import Dataset
    from pipeline import plans
    from pipeline.clip import Settings
    from pipeline.pack import Pack
    from pipeline.stage import remaining
    from pipeline.video.decoder import Limits

    dataset = Dataset.open(root)
    stage = Pack(dataset, Settings(dataset.spec, "pyav", Limits()))
    made = stage.plan("none", 0)
    if not plans.write(dataset, stage.plans, made, 0):
        raise SystemExit("there is a plan already")
    left, _ = remaining(dataset, stage.plans)
    units = stage.units(left)
    clips = sum(count for _, count in units)
    if clips != len(made):
        raise SystemExit(f"{clips} clips in units of {len(made)} planned")
    print(f"{clips} clips in {len(units)} shards")


def main() -> None:
    """Measure it and keep the result."""
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["XDG_STATE_HOME"] = temporary
        root = f"{temporary}/root"
        measured(__file__, "prepare", root)
        result = {"machine": about(), "clips": sum(CLIPS.values())}
        result["plan"] = measured(__file__, "plan", root)
    print(json.dumps(result, indent=1))
    print("written to", keep("pack_plan", result))


if __name__ == "__main__":
    main() if len(sys.argv) == 1 else in_child({"prepare": prepare, "plan": plan})
