"""`model.build`: names, options, and an import that does not wait for torch."""

import inspect
import subprocess
import sys

import pytest

import model
from manifests.errors import ClipmillError


def test_importing_model_leaves_torch_alone():
    code = "import sys, model; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("name", "options", "guess"),
    [
        ("r2plus1", {}, "'r2plus1d'"),
        ("c3", {}, "'c3d'"),
        ("c3d", {"widht": 16}, "'width'"),
        ("r2plus1d", {"drop_out": 0.1}, "'dropout'"),
        ("r2plus1d_43", {}, "'r2plus1d_34'"),
        ("r2plus1d_18", {"planes": "exakt"}, "'exact'"),
    ],
)
def test_unknown_names_and_options_are_refused_with_a_guess(name, options, guess):
    with pytest.raises(ClipmillError, match=f"Did you mean {guess}"):
        model.build(name, 5, **options)


@pytest.mark.parametrize("name", model.BUILDERS)
@pytest.mark.parametrize(
    ("classes", "options", "named"),
    [
        (0, {}, "num_classes is 0"),
        (True, {}, "num_classes is True"),
        (5, {"width": 3}, "width of .* is 3"),
        (5, {"width": 16.0}, "width of .* is 16.0"),
        (5, {"dropout": 1}, "dropout of .* is 1"),
        (5, {"dropout": "0.5"}, "dropout of .* is '0.5'"),
        (5, {"modality": "motoin"}, "Did you mean 'motion'"),
        (5, {"modality": 3}, "unknown modality"),
    ],
)
def test_values_out_of_range_are_refused(name, classes, options, named):
    with pytest.raises(ClipmillError, match=named):
        model.build(name, classes, **options)


@pytest.mark.parametrize("name", model.BUILDERS)
def test_spec_holds_every_option_and_builds_the_same_network(name):
    network = model.build(name, 7, width=8)
    taken = inspect.signature(type(network)).parameters
    assert set(network.spec.options) == set(taken) - {"num_classes"}
    assert {"width", "dropout", "modality"} <= set(network.spec.options)
    again = model.build(network.spec.name, network.spec.num_classes, **network.spec.options)
    assert again.spec == network.spec
    shapes = [tuple(tensor.shape) for tensor in network.state_dict().values()]
    assert shapes == [tuple(tensor.shape) for tensor in again.state_dict().values()]
