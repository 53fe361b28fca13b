"""One rank of a job that reads instead of training; tests start it under torchrun, or alone.

    reading_rank.py ROOT OUT RUNS

RUNS is JSON, one object a run: `stream` (options of Stream), `reading` (of Reading), `epochs`,
`pause` (seconds a step), `resume` (a state) and `recut`, `hold` and `kill` ([epoch, step]: wait
there to be killed; kill a worker there). Each step ends with a collective, as DDP's do: ranks of
unequal length would wait for ever. OUT/<run>-<rank>.jsonl gets a line a step when it is done:
[epoch, step, ids, digests of the pixels]; OUT/state.json is where all ranks stand.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import xxhash

from manifests.dataset import Dataset
from manifests.spec import Window
from shards.plan import PAD
from shards.reading import Reading
from shards.stream import Batch, Stream

WINDOW = Window(2, 10, 12)


def summed(number: int) -> int:
    """The sum of every rank's number."""
    tensor = torch.tensor([number])
    dist.all_reduce(tensor)
    return int(tensor.item())


def seen(stream: Stream, batch: Batch) -> tuple[list[str | None], list[str | None]]:
    """Ids and digests of what a batch shows, None for padding."""
    there = batch.valid.tolist()
    ids = [stream.clip_ids[row] if row != PAD else None for row in batch.rows.tolist()]
    digests = [
        xxhash.xxh3_64_hexdigest(pixels.numpy().tobytes()) if real else None
        for pixels, real in zip(batch.pixels, there, strict=True)
    ]
    return ids, digests


def kill_a_worker(note: Path) -> None:
    """SIGKILL one of the processes that were forked from this one, where there are any; note it."""
    mine = Path("/proc/self/cmdline").read_bytes()
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        if Path(f"/proc/{child}/cmdline").read_bytes() == mine:
            os.kill(int(child), signal.SIGKILL)
            note.write_text(child)
            return


def run(dataset: Dataset, out: Path, number: int, plan: dict[str, Any]) -> None:
    """Read the epochs of one run."""
    stream = Stream(
        dataset,
        "train",
        WINDOW,
        rank=dist.get_rank(),
        world=dist.get_world_size(),
        reading=Reading(agree=summed, **plan.get("reading", {})),
        **plan["stream"],
    )
    if "resume" in plan:
        stream.load_state_dict(plan["resume"], recut=plan["recut"])
    with (out / f"{number}-{dist.get_rank()}.jsonl").open("w", buffering=1) as log:
        while stream.epoch < plan.get("epochs", 1):
            step, epoch = stream.step, stream.epoch
            for batch in stream:
                time.sleep(plan.get("pause", 0))
                log.write(json.dumps([epoch, step, *seen(stream, batch)]) + "\n")
                dist.barrier()
                if dist.get_rank() == 0:
                    (out / "state.new").write_text(json.dumps(stream.state_dict()))
                    (out / "state.new").replace(out / "state.json")
                if plan.get("kill") == [epoch, step]:
                    kill_a_worker(out / f"killed-{dist.get_rank()}")
                if plan.get("hold") == [epoch, step]:
                    time.sleep(1000)
                step += 1
    stream.close()


def main(root: str, out: str, runs: str) -> None:
    """Join the others and read."""
    if "RANK" not in os.environ:
        os.environ |= {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
        os.environ["MASTER_PORT"] = "0"
    dist.init_process_group("gloo")
    (Path(out) / f"pid-{dist.get_rank()}").write_text(str(os.getpid()))
    dataset = Dataset.open(root)
    for number, plan in enumerate(json.loads(runs)):
        run(dataset, Path(out), number, plan)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
