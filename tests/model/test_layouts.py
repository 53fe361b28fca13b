"""Whose weights a file holds is told by names and shapes; the seed's names become ours."""

import pytest
import torch

import model
from model.layouts import recognise
from tests.model import reference

EIGHTEEN, THIRTY_FOUR = (2, 2, 2, 2), (3, 4, 6, 3)


def built(name, **options):
    with torch.device("meta"):
        network = model.build(name, 5, **options)
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


@pytest.mark.parametrize(
    ("shapes", "choice", "named"),
    [
        (reference.torchvision_shapes(5, EIGHTEEN, False), "--model r2plus1d_18", "torchvision"),
        (
            reference.torchvision_shapes(5, EIGHTEEN, True),
            "--model r2plus1d_18 --planes exact",
            "the paper's",
        ),
        (reference.torchvision_shapes(5, THIRTY_FOUR, True), "--model r2plus1d_34", "IG-65M"),
        (
            reference.torchvision_shapes(5, THIRTY_FOUR, True, width=4),
            "--model r2plus1d_34 --width 4",
            "IG-65M",
        ),
        (reference.seed_r2plus1d_shapes(5), "--model r2plus1d", "the seed's"),
        (reference.seed_r2plus1d_shapes(5, 4), "--model r2plus1d --width 4", "the seed's"),
        (reference.seed_c3d_shapes(5), "--model c3d --no-relu", "the seed's"),
        (built("r2plus1d"), "--model r2plus1d", "clipmill's"),
        (built("c3d", width=8), "--model c3d --width 8", "clipmill's"),
    ],
)
def test_each_layout_is_recognised(shapes, choice, named):
    layout = recognise(shapes)
    assert layout is not None
    assert layout.choice == choice and named in layout.title
    renamed = {layout.rename(name): shape for name, shape in shapes.items()}
    assert renamed == built(layout.model, **layout.options)


@pytest.mark.parametrize("classes", [101, 51, 600])
def test_the_seeds_layouts_have_its_counts(classes):
    counts = {101: (33_220_990, 78_409_573), 51: (33_195_340, 78_204_723)}
    counts[600] = (33_476_977, 80_453_976)
    shapes = reference.seed_r2plus1d_shapes(classes), reference.seed_c3d_shapes(classes)
    assert tuple(map(reference.parameters, shapes)) == counts[classes]


def test_others_are_not_recognised():
    assert recognise({}) is None
    assert recognise({"conv1.weight": (64, 3, 7, 7), "fc.weight": (5, 512)}) is None
    stem = {"stem.0.weight": (64, 3, 3, 7, 7), "layer1.0.conv1.0.weight": (64, 64, 3, 3, 3)}
    r3d = recognise(stem)
    assert r3d is not None and r3d.model == "" and "r3d_18" in r3d.title
