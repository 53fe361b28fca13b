"""Cutting val and test from a list: seeded, by whole groups, class by class.

The cut depends on names, sizes and the seed only, never on the order of the list or the platform.
Exact for classes of up to 256 groups, and off by less than one group beyond; a second or two for
500,000 clips.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from manifests.errors import ClipmillError

WINDOW = 256  # groups among which the nearest sum is searched exactly


def rank(seed: int, *names: str) -> bytes:
    """Return the seeded sort key of a name: the same everywhere, unrelated between seeds."""
    text = "\n".join((str(int(seed)), *names))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def check_fractions(**fractions: float) -> None:
    """Raise unless every fraction is in [0, 1) and something is left for train."""
    for name, value in fractions.items():
        if not (math.isfinite(value) and 0 <= value < 1):
            raise ClipmillError(
                f"{name} fraction {value!r}; expected a number from 0 to below 1, such as 0.1."
            )
    if sum(fractions.values()) >= 1:
        both = " + ".join(f"{name} {value!r}" for name, value in fractions.items())
        raise ClipmillError(f"{both} leave nothing for train; expected a sum below 1.")


def cut(
    members: Iterable[tuple[str, str]],
    fractions: Mapping[str, float],
    *,
    seed: int,
    represent: bool = False,
    salt: str = "",
) -> dict[str, str]:
    """Return the part of every group: "train" or one of `fractions`.

    `members` are (class, group), one for each clip. A group goes whole to one part. Each class is
    cut as near to the fractions as its groups allow, and train keeps a group of every class.
    `represent` also gives each part a group of every class that has enough of them. A group of
    several classes is counted with the class it has most clips of.
    """
    check_fractions(**fractions)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for label, group in members:
        counts[group][label] += 1
    homes: dict[str, list[str]] = defaultdict(list)
    for group, labels in counts.items():
        homes[min(labels, key=lambda label: (-labels[label], label))].append(group)
    keys = {group: rank(seed, salt, group) for group in counts}
    sizes = {group: labels.total() for group, labels in counts.items()}
    part = dict.fromkeys(counts, "train")
    for groups in homes.values():
        groups.sort(key=keys.__getitem__)
        part.update(_cut_class(groups, sizes, fractions, represent))
    _keep_every_class_in_train(part, counts, keys)
    return part


def _cut_class(
    groups: Sequence[str], sizes: Mapping[str, int], fractions: Mapping[str, float], represent: bool
) -> dict[str, str]:
    """Cut one class, its groups in seeded order; the last part named is cut first."""
    total = sum(sizes[group] for group in groups)
    wanted = [name for name, fraction in reversed(list(fractions.items())) if fraction > 0]
    everywhere = represent and len(groups) > len(wanted)
    left, part = list(groups), {}
    for done, name in enumerate(wanted, 1):
        chosen = _nearest([sizes[group] for group in left], fractions[name] * total, everywhere)
        if everywhere:  # the parts to come, and train, need a group each
            chosen = chosen[: len(left) - 1 - (len(wanted) - done)]
        part.update((left[index], name) for index in chosen)
        left = [group for group in left if group not in part]
    return part


def _nearest(sizes: Sequence[int], target: float, at_least_one: bool) -> list[int]:
    """Return indices whose sizes sum nearest to `target`, never all; early ones preferred."""
    start, taken = 0, 0
    while start < len(sizes) - WINDOW and taken + sizes[start] <= target:
        taken += sizes[start]
        start += 1
    window = sizes[start : start + WINDOW]
    # Bit s of reach[i] is set when some of the first i groups sum to s.
    reach = [1]
    for size in window:
        reach.append(reach[-1] | reach[-1] << size)
    lowest = 1 if at_least_one and start == 0 else 0
    highest = sum(window) - 1 if start + len(window) == len(sizes) else sum(window)
    gap = _nearest_bit(reach[-1], target - taken, lowest, highest)
    chosen = []
    for index in range(len(window), 0, -1):
        if not reach[index - 1] >> gap & 1:
            chosen.append(start + index - 1)
            gap -= window[index - 1]
    return list(range(start)) + chosen[::-1]


def _nearest_bit(bits: int, target: float, lowest: int, highest: int) -> int:
    """Return the set bit in [lowest, highest] that is nearest to `target`, the lower of two.

    0 when there is none: a class of one group, which stays in train.
    """
    bits &= (1 << (highest + 1)) - 1
    bits = bits >> lowest << lowest
    floor = max(0, math.floor(target))
    below = bits & ((1 << (floor + 1)) - 1)
    above = bits >> (floor + 1)
    under = below.bit_length() - 1
    over = floor + (above & -above).bit_length() if above else -1
    if under < 0 or over < 0:
        return max(under, over, 0)
    return under if target - under <= over - target else over


def _keep_every_class_in_train(
    part: dict[str, str], counts: Mapping[str, Counter[str]], keys: Mapping[str, bytes]
) -> None:
    """Bring back a group of every class that lost all; only groups of several classes can."""
    groups_of: dict[str, list[str]] = defaultdict(list)
    for group, labels in counts.items():
        for label in labels:
            groups_of[label].append(group)
    for label in sorted(groups_of):
        if all(part[group] != "train" for group in groups_of[label]):
            part[min(groups_of[label], key=keys.__getitem__)] = "train"
