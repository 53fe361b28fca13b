"""`python -m shards.benching.stand WAY SETUP`: one of our ways stands by and does its rounds."""

from __future__ import annotations

import json
import sys

from shards.benching.rounds import channel, serve


def main() -> None:
    """Make the way ready and serve."""
    answers = channel()
    from shards.benching.decoding import DECODERS
    from shards.benching.setup import Setup
    from shards.benching.ways import WAYS

    batches, ahead = (WAYS | DECODERS)[sys.argv[1]](Setup(**json.loads(sys.argv[2])))
    serve(batches, ahead, answers)


if __name__ == "__main__":
    main()
