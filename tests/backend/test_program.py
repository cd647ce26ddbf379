"""Symbolic formulas as NumPy calls against compiled ones."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.conditional.op import ifelse

from bayesmap._backend.program import _Program, compile_numbers
from bayesmap.modeling import PowerLawSpectralModel
from bayesmap.modeling.spectral.formulas import Slope

X, M = pt.vector(dtype="float64"), pt.matrix(dtype="float64")
NUMBERS = {X: np.array([-1.5, 0.0, 0.3, 2.0, np.inf]), M: np.arange(15.0).reshape(3, 5) - 7}
FORMULAS = {
    "arithmetic": (X + M) * X - M / (1 + X**2) + 3 * M * M * X,
    "functions": pt.exp(-pt.abs(X)) + pt.erfc(X) * pt.sinh(M / 9) + pt.gammaln(1 + X**2),
    "switches and truth values": pt.switch((X > 0) & pt.neq(M, 2), pt.sqrt(X), M) + (M >= X).sum(axis=0),
    "what NumPy has under other names": pt.softplus(M) + pt.clip(X, -1, 1) + pt.second(M, X) + pt.sign(M),
    "whole numbers": pt.cast(pt.floor(M), "int64")[:, 1:4] // 2 + pt.arange(3)[:, None],
    "dimensions": M.T[:, None, :].sum(axis=1).dimshuffle(1, 0) + X.dimshuffle("x", 0) + M[0, 1],
    "lookups": X[pt.searchsorted(M[1], X[:4])] * M[pt.argmax(M, axis=0)[:3], 2].sum(),
    "changed elements": pt.inc_subtensor(M[1:, 2], X[:2]) + pt.cumsum(X)[None],
    "several outputs": pt.linalg.qr(M.T @ M + pt.eye(5))[1],
    "slope": pytensor.grad((pt.log1p(X**2) * M).sum(), M) + pytensor.grad(pt.tanh(X).sum(), X),
    "an input itself": M,
    "a constant": pt.as_tensor_variable(np.arange(3.0)) + 1,
    "a scalar": pt.exp(M).sum(),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_values_of_compiled_graphs(name):
    formula = FORMULAS[name]
    program = compile_numbers([X, M], formula)
    assert isinstance(program, _Program)
    expected = pytensor.function([X, M], formula, mode="FAST_COMPILE", on_unused_input="ignore")(*NUMBERS.values())
    found = program(*NUMBERS.values())
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)
    # nothing that a caller does to a result changes an input, a constant or the next result
    found[...] = 0
    np.testing.assert_allclose(program(*NUMBERS.values()), expected, rtol=1e-13, atol=1e-13)


def test_equal_parts_are_computed_once_and_constants_beforehand():
    program = compile_numbers([X], pt.exp(X) * pt.exp(X) + pt.exp(pt.constant(2.0)) * 3)
    assert len(program._steps) == 3


def test_loops_and_branches_are_compiled():
    branch = compile_numbers([X], ifelse(X[0] > 0, X + 1, X - 1))
    assert not isinstance(branch, _Program)
    np.testing.assert_array_equal(branch(np.array([-1.0, 2.0])), [-2, 1])
    total = pytensor.scan(lambda x, s: s + x, sequences=X, outputs_info=pt.zeros(()), return_updates=False)
    np.testing.assert_array_equal(compile_numbers([X], total)(np.array([1.0, 2.0, 4.0])), [1, 3, 7])


def test_a_formula_of_something_else():
    with pytest.raises(ValueError, match="which is not among its arguments"):
        compile_numbers([X], X + M)


def test_threads_share_a_program():
    energy = pt.vector(dtype="float64")
    index = pt.scalar(dtype="float64")
    program = compile_numbers([energy, index], Slope(PowerLawSpectralModel.evaluate)(energy, index, 1.0, 1.0))
    grid = np.geomspace(0.1, 10, 1000)
    with ThreadPoolExecutor(4) as pool:
        slopes = list(pool.map(lambda value: program(grid, np.array(value)), np.linspace(1, 3, 40)))
    for value, slope in zip(np.linspace(1, 3, 40), slopes, strict=True):
        np.testing.assert_allclose(slope, value, rtol=1e-12)
