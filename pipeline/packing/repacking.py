"""What `clipmill repack` does: make or go on with the new folder, and fill it with shards."""

from __future__ import annotations

import pyarrow as pa

from manifests.console import Ui
from manifests.dataset import Dataset
from pipeline import running, stage
from pipeline.packing.carrying import carry, destination
from pipeline.packing.repack import Repack


def repack(root: str, out: str, codec: str | None, options: running.Options, ui: Ui) -> None:
    """Repack `root` into `out`; run again, it does what is left and what has come since.

    Raises:
        ClipmillError: a codec that shards cannot give, or another data set in `out`.
        StoppedError: this machine cannot go on.
    """
    source = Dataset.open(root)
    source.require_own_shards()
    size = None if options.shard_mb is None else int(options.shard_mb * 1e6)
    if options.dry_run:
        work = Repack(source, destination(source, out, codec), size)
        todo = pa.concat_tables(stage.coming(work.target, work, options.retry))
        coming = work.forecast(todo, options.crew.known)
        ui.note(f"repack: {coming.words()}")
        ui.finish({"repack": coming.as_dict(), "dry_run": True})
        return
    target = carry(source, out, codec)

    def foresee(todo: pa.Table) -> None:
        coming = work.forecast(todo, options.crew.known)
        ui.note(f"repack: {coming.words()}")
        coming.require_room(target.storage.root, options.keep_free)

    work = Repack(source, target, size)
    done = stage.run(
        target,
        work,
        crew=options.crew,
        retry=options.retry,
        ui=ui,
        title="repack",
        foresee=foresee,
    )
    running.show([done], ui)
    ui.finish({"root": target.storage.root, "stages": [done.as_dict()]})
    ui.exit_code = int(options.strict and bool(done.failed))
