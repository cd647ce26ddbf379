"""The mode for graphs that are called a few times."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from bayesmap._backend.functions import QUICK


@pytest.mark.parametrize("n", [3, 31, 32, 33, 64, 1000])
def test_sums_and_products_of_many_terms(n):
    """PyTensor joins them in one operation, and NumPy has no more than 32 operands."""
    x, numbers = [pt.dscalar() for _ in range(n)], np.linspace(0.95, 1.05, n)
    total, product = x[0], x[0]
    for term in x[1:]:
        total, product = total + term, product * term
    values = pytensor.function(x, [total, product, pytensor.grad(product, x[1])], mode=QUICK)(*numbers)
    expected = [numbers.sum(), numbers.prod(), numbers.prod() / numbers[1]]
    np.testing.assert_allclose(values, expected, rtol=1e-12)
