"""What the versions of Kinetics are known to hold, and how a list compares with that.

Every release has lost videos since the one before it, so lists of one version differ in length;
these are the lengths that are documented or were counted in lists at hand. Costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from manifests.errors import unknown
from manifests.rows import SPLITS

VERSIONS = ("400", "600", "700", "700-2020")
CLASSES = {version: int(version[:3]) for version in VERSIONS}

# (train, val, test) by release. DeepMind's lists shrink from edition to edition: the figures are
# those that the documentation of FiftyOne's dataset zoo gives for them and for CVDF's copies.
KNOWN: dict[str, dict[str, tuple[int, int, int]]] = {
    "400": {
        "DeepMind's later lists": (219_782, 18_035, 35_357),
        "CVDF's copy": (246_534, 19_906, 39_805),
    },
    "600": {
        "the first release": (392_622, 30_000, 72_924),
        "what the seed's authors could download": (375_008, 28_638, 56_982),
        "DeepMind's later lists": (370_582, 28_313, 56_618),
        "CVDF's copy": (427_549, 29_793, 72_924),
    },
    "700": {"DeepMind's later lists": (529_046, 33_966, 67_446)},
    "700-2020": {
        "DeepMind's later lists": (542_352, 34_125, 67_433),
        "CVDF's copy": (534_073, 33_914, 64_260),
    },
}


def checked(version: str | None) -> None:
    """Raise ClipmillError unless there is such a version, or none is named."""
    if version is not None and version not in VERSIONS:
        raise unknown("version of Kinetics", version, VERSIONS)


def guess(told: Iterable[str | None], classes: int) -> str | None:
    """Return the version that file names tell, else the only one with so many classes, or None."""
    names = {version for version in told if version}
    if len(names) == 1:
        return names.pop()
    fitting = with_classes(classes)
    return fitting[0] if len(fitting) == 1 else None


def with_classes(classes: int) -> list[str]:
    """Return the versions that have so many classes."""
    return [version for version in VERSIONS if CLASSES[version] == classes]


def compare(version: str | None, counts: Mapping[str, int]) -> list[str]:
    """Return a sentence for each split: how many clips, and how many other releases have."""
    sentences = []
    for place, split in enumerate(SPLITS):
        found = counts.get(split, 0)
        known = {name: sizes[place] for name, sizes in KNOWN.get(version or "", {}).items()}
        if not found:
            continue
        text = f"{split}: {found:,} clips"
        if same := [name for name, size in known.items() if size == found]:
            text += f", as in {' and '.join(same)}"
        elif known:
            others = ", ".join(f"{size:,} in {name}" for name, size in known.items())
            text += f"; known are {others}"
        sentences.append(text)
    return sentences
