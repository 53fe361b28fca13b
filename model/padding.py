"""Planes between the halves of factored convolutions, filled up to multiples of 8 with zeros.

45, 230, 460 or 921 planes keep a GPU's matrix units from their fast paths; 48, 232, 464 and 928 do
not. The network computes the same, and goes on doing so while it is trained:

    spatial weights 0    -> the added planes are 0
    norm weight, bias 0  -> and stay so behind it; ReLU passes no gradient at 0
    temporal weights 0   -> nothing comes back to the planes; nor is there any gradient here, for
                            what they are multiplied with is 0

so every gradient of what was added is 0, and momentum, Adam's moments and weight decay keep it
there. Costs what the added planes compute: 0.3% of R(2+1)D-18, 0.1% of the 34.

What leaves the network is plain: its `state_dict()` has the shapes of the network as it was built
(views, no copies), and `load_state_dict` takes these; `pad_optimizer` does the same for an
optimizer. So nothing padded can come into a checkpoint, a copy or an average. In this order:

    network = model.build(...)      # or SyncBatchNorm.convert_sync_batchnorm(...) of it
    pad(network)                    # in place; the number of planes added
    optimizer = ...                 # then DDP, torch.compile
    pad_optimizer(optimizer, network)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

MULTIPLE = 8
Place = tuple[int, int, float]
"""The dimension that grew, its size before, and what was added."""


def pad(network: nn.Module, multiple: int = MULTIPLE) -> int:
    """Fill the planes between halves up to `multiple`, in place; return how many were added.

    A network that is padded already is left as it is.
    """
    added = 0
    for layer in list(network.modules()):
        halves = _halves(layer)
        if halves is None:
            continue
        spatial, norm, temporal = halves
        planes, more = spatial.out_channels, -spatial.out_channels % multiple
        if not more:
            continue
        _grow(spatial, more, {"weight": (0, planes, 0.0)})
        statistics = {"running_mean": 0.0, "running_var": 1.0}
        values = {"weight": 0.0, "bias": 0.0} | statistics
        _grow(norm, more, {name: (0, planes, value) for name, value in values.items()})
        _grow(temporal, more, {"weight": (1, planes, 0.0)})
        spatial.out_channels = norm.num_features = temporal.in_channels = planes + more
        added += more
    return added


def pad_optimizer(optimizer: Optimizer, network: nn.Module) -> None:
    """Let the state that an optimizer of a padded network gives and takes be the plain one."""
    optimizer.register_state_dict_post_hook(
        lambda one, state: _mapped(one, network, state, _narrowed)
    )
    optimizer.register_load_state_dict_pre_hook(
        lambda one, state: _mapped(one, network, state, _widened)
    )


def _halves(layer: nn.Module) -> tuple[nn.Conv3d, _BatchNorm, nn.Conv3d] | None:
    """Return a factored convolution's spatial half, the norm behind it, and the temporal half."""
    first = list(layer.children())[:4] if isinstance(layer, nn.Sequential) else []
    if len(first) < 4:
        return None
    spatial, norm, relu, temporal = first
    if not (isinstance(spatial, nn.Conv3d) and isinstance(temporal, nn.Conv3d)):
        return None
    if not (isinstance(norm, _BatchNorm) and isinstance(relu, nn.ReLU)):
        return None
    factored = spatial.kernel_size[0] == 1 and temporal.kernel_size[1:] == (1, 1)
    whole = (
        spatial.bias is None and temporal.bias is None and spatial.groups == temporal.groups == 1
    )
    return (spatial, norm, temporal) if factored and whole else None


def _grow(layer: nn.Module, more: int, places: Mapping[str, Place]) -> None:
    """Make tensors of a layer `more` longer, and the state that it gives and takes as before."""
    for name, place in places.items():
        old = getattr(layer, name)
        wide = _widened(old.detach(), place, more)
        if isinstance(old, nn.Parameter):
            setattr(layer, name, nn.Parameter(wide, requires_grad=old.requires_grad))
        else:
            layer.register_buffer(name, wide)
    layer.register_state_dict_post_hook(_giving(places))
    layer.register_load_state_dict_pre_hook(_taking(places))
    layer.padded = dict(places)  # type: ignore[assignment]


def _giving(places: Mapping[str, Place]) -> Callable[..., None]:
    def narrow(layer: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
        for name, place in places.items():
            state[prefix + name] = _narrowed(state[prefix + name], place, 0)

    return narrow


def _taking(places: Mapping[str, Place]) -> Callable[..., None]:
    def widen(layer: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, place in places.items():
            tensor = state.get(prefix + name)
            if isinstance(tensor, Tensor) and tensor.ndim > place[0]:
                more = getattr(layer, name).shape[place[0]] - place[1]
                if tensor.shape[place[0]] == place[1]:  # else torch says that it does not fit
                    state[prefix + name] = _widened(tensor, place, more)

    return widen


def _narrowed(tensor: Tensor, place: Place, more: int) -> Tensor:
    dimension, planes, _ = place
    return tensor.narrow(dimension, 0, planes)


def _widened(tensor: Tensor, place: Place, more: int) -> Tensor:
    """Return a longer copy; its memory is laid out as the tensor's."""
    dimension, planes, value = place
    shape = list(tensor.shape)
    shape[dimension] = planes + more
    layout = torch.contiguous_format
    if tensor.ndim == 5 and not tensor.is_contiguous():
        layout = torch.channels_last_3d
    wide = torch.full(shape, value, dtype=tensor.dtype, device=tensor.device)
    wide = wide.contiguous(memory_format=layout)
    wide.narrow(dimension, 0, planes).copy_(tensor)
    return wide


def _mapped(
    optimizer: Optimizer,
    network: nn.Module,
    state: dict[str, Any],
    change: Callable[[Tensor, Place, int], Tensor],
) -> dict[str, Any]:
    """Return an optimizer's state with what has the shape of a padded parameter changed."""
    places: dict[nn.Parameter, Place] = {}
    for layer in network.modules():
        for name, place in getattr(layer, "padded", {}).items():
            if isinstance(parameter := getattr(layer, name), nn.Parameter):
                places[parameter] = place
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    changed = dict(state["state"])
    for index, parameter in enumerate(parameters):
        if parameter not in places or index not in changed:
            continue
        place = places[parameter]
        more = parameter.shape[place[0]] - place[1]
        wide, plain = list(parameter.shape), list(parameter.shape)
        plain[place[0]] = place[1]
        expected = wide if change is _narrowed else plain
        changed[index] = {
            name: change(value, place, more)
            if isinstance(value, Tensor) and list(value.shape) == expected
            else value
            for name, value in changed[index].items()
        }
    return {**state, "state": changed}
