"""`clipmill bench decode` over folders of videos of one kind each; results kept side by side.

    python benchmarks/decode.py kinetics=DIR ucf101=DIR [CLIPS [ROUNDS]]

Two workers, 32 frames, uniform and every fourth. Needs `pip install 'clipmill[bench]'`.
"""

from __future__ import annotations

import json
import sys

from machine import about, keep
from small_clips import clipmill

SAMPLINGS = ("uniform", "stride:4")


def main() -> None:
    """Measure each folder in each sampling and keep what came out."""
    named = dict(argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument)
    clips, rounds, *_ = [*(text for text in sys.argv[1:] if "=" not in text), "32", "5"]
    found = about()
    for name, folder in named.items():
        for sampling in SAMPLINGS:
            options = ("--sampling", sampling, "--clips", clips, "--rounds", rounds, "--jobs", 2)
            text = clipmill("bench", "decode", "--videos", folder, *options, "--json")
            report = json.loads(text)
            found[f"{name}, {sampling}"] = report
            for way, values in report["ways"].items():
                print(f"{name:10} {sampling:9} {way:22} {values}")
    keep("decode", found)


if __name__ == "__main__":
    main()
