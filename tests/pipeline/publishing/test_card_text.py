"""A ClipSpec in words, and labels that Markdown would take for markup."""

import pytest

from manifests.dataset import Dataset
from manifests.spec import CODECS, FITS, SAMPLINGS, ClipSpec
from pipeline.publishing.card_text import body, in_words


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_spec_has_words_of_its_own(sampling: str, fit: str, codec: str) -> None:
    chosen = ClipSpec(sampling=sampling, rate=1, fit=fit, codec=codec)
    others = [
        ClipSpec(sampling=one, rate=1, fit=two, codec=three)
        for one in SAMPLINGS
        for two in FITS
        for three in CODECS
    ]
    assert [one for one in others if in_words(one) == in_words(chosen)] == [chosen]


def text(dataset: Dataset, names: list[str], licence: str | None = None) -> str:
    facts = {
        "clips": 1,
        "sha256": "0",
        "sets": [],
        "shards": [],
        "dropped_in_shards": [],
        "classes": {0: 1, None: 2},
        "datasets": names,
    }
    return body(dataset, facts, licence)


@pytest.fixture
def dataset(built: object) -> Dataset:
    return Dataset.open(str(built))


def test_many_classes_are_folded_and_labels_stay_in_their_cells(dataset: Dataset) -> None:
    dataset.__dict__["labels"] = ["a | b", "<b>*x*</b>", *(f"class {n}" for n in range(100))]
    found = text(dataset, ["set"])
    assert "<details><summary>102 classes</summary>" in found
    assert "| 0 | a \\| b | 1 |" in found
    assert "| 1 | \\<b\\>\\*x\\*\\</b\\> | 0 |" in found
    assert "| -1 | (no label) | 2 |" in found


def test_what_is_known_of_the_rights(dataset: Dataset) -> None:
    assert "YouTube" in text(dataset, ["kinetics600"])
    assert "University of Central Florida: the terms are to be checked" in text(dataset, ["ucf101"])
    assert "Brown University: the terms are to be checked" in text(dataset, ["a", "hmdb51"])
    assert "Kinetics" not in (found := text(dataset, ["mine"])) and "UCF" not in found
    assert "not stated" in text(dataset, ["ucf101"])
    assert "Licence, as stated by whoever made this folder: cc0." in text(dataset, ["a"], "cc0")
