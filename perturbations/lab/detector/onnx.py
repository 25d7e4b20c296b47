"""Writes the trained network as an ONNX file, with the normalisation folded into the convolutions.

ONNX is Protocol Buffers; the few messages needed are put together here, so that no further package is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from perturbations.lab.detector.network import Block, Detector

OPSET = 13
IR_VERSION = 7
FLOAT = 1
INTS, INT = 7, 2
"""Types of attributes."""


def onnx(network: Detector) -> bytes:
    """The file: an input ``picture`` ``[1, 3, H, W]`` in [-1, 1], an output ``cells`` ``[1, 4, H / 8, W / 8]``."""
    graph = _Graph()
    graph.sequence(list(network), "picture")
    nodes = [*graph.nodes[:-1], _node(*graph.last, output="cells")]
    body = b"".join(_bytes(1, node) for node in nodes) + _bytes(2, b"faces")
    body += b"".join(_bytes(5, tensor) for tensor in graph.tensors)
    body += _bytes(11, _value("picture", (1, 3, "height", "width")))
    body += _bytes(12, _value("cells", (1, 4, "rows", "columns")))
    return _number(1, IR_VERSION) + _bytes(2, b"poise") + _bytes(7, body) + _bytes(8, _number(2, OPSET))


class _Graph:
    """Nodes and weights, in the order they are met."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.tensors: list[bytes] = []
        self.last: tuple[str, list[str], list[bytes]] = ("", [], [])

    def sequence(self, layers: list[nn.Module], at: str) -> str:
        """The name of what ``layers`` make of ``at``."""
        for layer, following in zip(layers, [*layers[1:], None], strict=True):
            if isinstance(layer, nn.Conv2d):
                at = self._convolution(layer, following if isinstance(following, nn.BatchNorm2d) else None, at)
            elif isinstance(layer, nn.ReLU):
                at = self._add("Relu", [at], [])
            elif isinstance(layer, Block):
                beside = self.sequence(list(layer.body), at)
                at = self._add("Relu", [self._add("Add", [at, beside], [])], [])
        return at

    def _convolution(self, layer: nn.Conv2d, norm: nn.BatchNorm2d | None, at: str) -> str:
        weight, bias = folded(layer, norm)
        number = len(self.tensors)
        self.tensors += [_tensor(f"w{number}", weight), _tensor(f"b{number}", bias)]
        side, border = layer.kernel_size[0], int(layer.padding[0])
        attributes = [
            _ints("kernel_shape", (side, side)),
            _ints("strides", layer.stride),
            _ints("pads", (border,) * 4),
            _bytes(1, b"group") + _number(3, layer.groups) + _number(20, INT),
        ]
        return self._add("Conv", [at, f"w{number}", f"b{number}"], attributes)

    def _add(self, kind: str, inputs: list[str], attributes: list[bytes]) -> str:
        output = f"n{len(self.nodes)}"
        self.nodes.append(_node(kind, inputs, attributes, output=output))
        self.last = (kind, inputs, attributes)
        return output


def folded(layer: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Tensor, Tensor]:
    """Weights and bias of one convolution that does what ``layer`` and ``norm`` after it do."""
    weight = layer.weight.detach()
    bias = torch.zeros(len(weight)) if layer.bias is None else layer.bias.detach()
    if norm is None:
        return weight, bias
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    scale = norm.weight.detach() / torch.sqrt(variance + norm.eps)
    return weight * scale[:, None, None, None], (bias - mean) * scale + norm.bias.detach()


def _node(kind: str, inputs: list[str], attributes: list[bytes], *, output: str) -> bytes:
    named = b"".join(_bytes(1, name.encode()) for name in inputs) + _bytes(2, output.encode())
    return named + _bytes(3, output.encode()) + _bytes(4, kind.encode()) + b"".join(_bytes(5, a) for a in attributes)


def _tensor(name: str, values: Tensor) -> bytes:
    raw = values.contiguous().numpy().astype("<f4").tobytes()
    return b"".join(_number(1, d) for d in values.shape) + _number(2, FLOAT) + _bytes(8, name.encode()) + _bytes(9, raw)


def _ints(name: str, values: Iterable[int]) -> bytes:
    return _bytes(1, name.encode()) + b"".join(_number(8, v) for v in values) + _number(20, INTS)


def _value(name: str, shape: Iterable[int | str]) -> bytes:
    dimensions = b"".join(_bytes(1, _number(1, d) if isinstance(d, int) else _bytes(2, d.encode())) for d in shape)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, _number(1, FLOAT) + _bytes(2, dimensions)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    if value < 0x80:
        return struct.pack("B", value)
    return struct.pack("B", value & 0x7F | 0x80) + _varint(value >> 7)
