"""The few Ops of our own: NumPy and Numba kernels with analytic gradients."""
