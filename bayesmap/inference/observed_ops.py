"""Calls from the graph back to a dataset: draws of its data, and what a likelihood needs of other data."""

import math
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._backend.expressions import ScalarFunction, ViewOp, elementwise
from bayesmap._backend.kernels import inner_kernel, register_call_back

__all__ = ["BinData", "DrawnData", "defined", "defined_gradient"]


#: stands for gradients that are larger than any floating-point number
LARGE = np.float64(1e300)


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
    """Data drawn from the likelihood at the prediction of the parameters.

    Inputs
        seed : () int
            Seed of the draw.
        parameters, latents
            Arguments of ``observed.random``.

    Outputs
        data : (n_energy, n_lat, n_lon) float
    """

    def make_node(self, *inputs: Any) -> Apply:
        output = pt.tensor(dtype="float64", shape=self.observed.arrays.mask.shape)
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [output])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        seed, *arguments = inputs
        outputs[0][0] = self.observed.random(np.random.default_rng(int(seed)), *arguments)

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        return [tuple(pt.constant(n, dtype="int64") for n in self.observed.arrays.mask.shape)]


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


@inner_kernel
def _defined(x: Any) -> Any:
    return x if x < math.inf else -math.inf


class Defined(ScalarFunction):
    """The input, or minus infinity for what is no number or infinite.

    The gradient is that of the input, without a switch: with one it would wait for the value of the whole sum, and what
    is computed bin by bin for both would be computed twice.
    """

    def impl(self, x: float) -> float:
        value: float = _defined.py_func(x)
        return value

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [cotangents[0]]


_elementwise = elementwise(Defined, _defined)


def defined(logp: Any) -> Any:
    """A log-density that is -inf where it is no number or infinite.

    Data are checked, and a likelihood gives numbers for numbers: what is left are parameters for which a prediction, or
    something on the way to it, is larger than any floating-point number. Such are impossible.
    """
    return _elementwise(pt.as_tensor_variable(logp))


class DefinedGradient(ViewOp):
    """The input, with a gradient that is zero where it is no number, and never infinite."""

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [pt.switch(pt.isnan(g), 0.0, pt.clip(g, -LARGE, LARGE)) for g in cotangents]


def defined_gradient(parameter: Any) -> Any:
    """The same number, with a gradient that is zero where it is no number, and never infinite.

    If a number is infinite on the way to something on which the density does not depend, as the flux of a source that
    lies outside of the map, the chain rule multiplies infinity by zero; zero is right. And so it is for a gradient that
    is too large for a number, by a parameter that does not change with the variable of the sampler any more.
    """
    return DefinedGradient()(pt.as_tensor_variable(parameter))
