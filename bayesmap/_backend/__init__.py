"""The one door to what PyTensor and Numba do not promise: everything else is said with `pytensor.tensor` and Ops.

`kernels` compiles and registers the kernels of Ops, `functions` compiles graphs, `program` evaluates a graph without
compiling it, `expressions` looks into expressions and makes element-wise operations, `notes` pins knowledge to tensors.
What each relies on is said, and tested, in ``tests/backend/test_contracts.py``: with another PyTensor, run that first.
"""
