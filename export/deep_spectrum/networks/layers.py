"""Any layer of a publisher's network as the place where features are read, by its name in PyTorch (A7, F22)."""

import difflib
import math
from typing import Any

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from export.failures import UserError
from export.graph.module_graph import ModuleTracer

NAMED_AT_MOST = 6

LONGEST = 65_536
"""Most numbers that a layer may give; VGG16's first would give three million."""


class WeightsError(UserError):
    """Weights or a layer that cannot be had, read or used for the network asked for; the message is one line."""


class _Recorder(ModuleTracer):
    """Remembers what every module gave, those that are made of others too."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, list[fx.Proxy]] = {}

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - as in fx
        result = super().call_module(m, forward, args, kwargs)
        if isinstance(result, fx.Proxy):
            self.given.setdefault(self.path_of_module(m), []).append(result)
        return result


def readable_layers(network: nn.Module, size: int) -> dict[str, int]:
    """Layers that run once, as :func:`cut_behind` takes them, and the sizes of their outputs but for too long ones.

    ``network`` is on the device 'meta', since only its structure is used; ``size`` is the picture's edge in pixels.
    """
    graph, recorder = _record(network)
    ShapeProp(fx.GraphModule(network, graph)).propagate(torch.empty(1, 3, size, size, device="meta"))
    once = {name: given[0].node for name, given in recorder.given.items() if len(given) == 1}
    numbers = {name: math.prod(node.meta["tensor_meta"].shape[1:]) for name, node in once.items()}
    return {name: count for name, count in numbers.items() if count <= LONGEST}


def cut_behind(network: nn.Module, layer: str) -> fx.GraphModule:
    """``network`` up to the value that ``layer`` gives; it shares the modules of ``network``.

    Raises:
        WeightsError: there is no such layer, or it runs more than once; the message names layers like it.
    """
    graph, recorder = _record(network)
    given = recorder.given.get(layer, [])
    if len(given) != 1:
        raise WeightsError(_no_such_layer(layer, [name for name, found in recorder.given.items() if len(found) == 1]))
    wanted = given[0].node
    output = next(node for node in graph.nodes if node.op == "output")
    output.args = (wanted,)
    cut = fx.GraphModule(network, graph)
    cut.graph.eliminate_dead_code()
    cut.recompile()
    return cut


def numbers_of(module: nn.Module, size: int) -> int:
    """How many numbers ``module`` gives for a picture of ``size`` pixels; it may be on the device 'meta'."""
    with torch.inference_mode():
        return int(module(torch.empty(1, 3, size, size, device="meta")).flatten(1).shape[1])


def _record(network: nn.Module) -> tuple[fx.Graph, _Recorder]:
    recorder = _Recorder()
    return recorder.trace(network), recorder


def _no_such_layer(layer: str, names: list[str]) -> str:
    near = difflib.get_close_matches(layer, names, NAMED_AT_MOST, 0.4) or names[-NAMED_AT_MOST:]
    return f"there is no layer '{layer}'; near it are {', '.join(near)} ('networks --layers NETWORK' lists all)"
