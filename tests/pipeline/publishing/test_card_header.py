"""The front matter is YAML in which every label stands letter for letter."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from manifests.spec import ClipSpec
from pipeline.publishing.card_header import header, quoted

TEXT = st.text(st.characters(codec="utf-8"))
SPEC = ClipSpec()


def parsed(labels: list[str], **more: Any) -> dict[str, Any]:
    values = {"name": "set", "licence": None, "splits": ["train", "val", "unsplit"], "spec": SPEC}
    text = header(**(values | more), labels=labels)
    assert text.startswith("---\n") and text.endswith("\n---\n")
    return yaml.safe_load(text.removesuffix("---\n"))


@given(st.lists(TEXT, max_size=5), TEXT, TEXT)
def test_labels_name_and_licence_come_back(labels: list[str], name: str, licence: str) -> None:
    found = parsed(labels, name=name, licence=licence)
    assert found["pretty_name"] == name
    assert found.get("license", "") == licence
    kind = found["dataset_info"]["features"][1]["dtype"]
    if labels:
        names = kind["class_label"]["names"]
        assert [names[str(number)] for number in range(len(labels))] == labels
    else:
        assert kind == "int64"


@pytest.mark.parametrize("text", ["yes", "null", "- a", "{}", "#2", "passing: (in game)", "é…", ""])
def test_words_that_yaml_reads_otherwise_stay_text(text: str) -> None:
    assert yaml.safe_load(quoted(text)) == text


def test_splits_have_the_names_that_datasets_gives_them() -> None:
    [config] = parsed(["run"])["configs"]
    assert config["data_files"] == [
        {"split": "train", "path": "shards/train-*.tar"},
        {"split": "validation", "path": "shards/val-*.tar"},
        {"split": "unsplit", "path": "shards/unsplit-*.tar"},
    ]


def test_pixels_have_their_shape() -> None:
    raw = parsed(["run"])["dataset_info"]["features"][0]
    assert raw["dtype"]["array4_d"] == {"shape": [32, 128, 128, 3], "dtype": "uint8"}
    jpeg = parsed(["run"], spec=ClipSpec(codec="jpeg"))["dataset_info"]["features"][0]
    assert jpeg == {"name": "jpg", "dtype": "image"}
