"""What a network sees: pictures, or what moves in them."""

import pytest
import torch

import model
from manifests.errors import ClipmillError
from model.layers import MOTION_SCALE


def clips(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", model.BUILDERS)
def test_motion_knows_nothing_of_what_stands_still(name):
    network = model.build(name, 5, width=4, modality="motion").eval()
    moving, scene = clips(2, 3, 4, 32, 32), clips(2, 3, 1, 32, 32)
    with torch.no_grad():
        assert torch.allclose(network(moving), network(moving + 5 * scene), atol=1e-4)
        network = model.build(name, 5, width=4).eval()
        assert not torch.allclose(network(moving), network(moving + 5 * scene), atol=1e-4)


def test_motion_is_the_deviation_from_the_mean_picture():
    network = model.build("c3d", 5, width=4, modality="motion")
    seen = network.look(clips(1, 3, 2, 16, 16))
    first, second = clips(1, 3, 2, 16, 16).unbind(2)
    assert torch.allclose(seen[:, :, 0], MOTION_SCALE * (first - second) / 2, atol=1e-6)
    assert torch.allclose(seen.mean(2), torch.zeros(1, 3, 16, 16), atol=1e-6)


@pytest.mark.parametrize("name", model.BUILDERS)
def test_both_have_the_same_parameters(name):
    one, two = (model.build(name, 5, width=4, modality=kind) for kind in ("rgb", "motion"))
    names = [{key: value.shape for key, value in x.state_dict().items()} for x in (one, two)]
    assert names[0] == names[1]


def test_one_frame_has_no_motion():
    network = model.build("c3d", 5, width=4, modality="motion")
    with pytest.raises(ClipmillError, match=r"one frame.*two frames or more"):
        network(clips(1, 3, 1, 16, 16))
