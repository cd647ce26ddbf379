"""Calls from the graph back to an observation: draws of its data, and what a likelihood needs of other data."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._backend.kernels import register_call_back

__all__ = ["BinData", "DrawnData"]


class CallBack(Op):
    """A call to Python without gradient; the same object is the same function."""

    __props__ = ("observed",)

    def __init__(self, observed: Any) -> None:
        self.observed = observed

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False] * len(node.outputs) for _ in node.inputs]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [disconnected_type() for _ in inputs]


class DrawnData(CallBack):
    """Data drawn at the prediction of the parameters.

    Inputs
        seed : () int
            Seed of the draw.
        parameters, latents
            Arguments of ``observed.random``.

    Outputs
        data : float
            Of the shape of the data.
    """

    def __init__(self, observed: Any) -> None:
        super().__init__(observed)
        self.shape = observed.value.get_value(borrow=True).shape

    def make_node(self, *inputs: Any) -> Apply:
        output = pt.tensor(dtype="float64", shape=self.shape)
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [output])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        seed, *arguments = inputs
        outputs[0][0] = self.observed.random(np.random.default_rng(int(seed)), *arguments)

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        return [tuple(pt.constant(n, dtype="int64") for n in self.shape)]


class BinData(CallBack):
    """Arrays that a likelihood reads for all bins in the mask, of data that are known only at evaluation.

    Inputs
        data : (n_energy, n_lat, n_lon) float

    Outputs
        What ``observed.bin_data`` gives, in the order of ``keys``.
    """

    def __init__(self, observed: Any) -> None:
        super().__init__(observed)
        example = observed.bin_data(observed.value.get_value())
        self.keys = tuple(example)
        self.types = [pt.tensor(dtype=x.dtype, shape=(None,) * x.ndim).type for x in map(np.asarray, example.values())]

    def make_node(self, *inputs: Any) -> Apply:
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [t() for t in self.types])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        arrays = self.observed.bin_data(np.asarray(inputs[0], dtype="float64"), every=True)
        for output, key, wanted in zip(outputs, self.keys, self.types, strict=True):
            output[0] = np.asarray(arrays[key], dtype=wanted.dtype)


register_call_back(CallBack)
