"""Numbers as they are printed: with a common power of ten and the digits that their errors leave."""

import numpy as np

__all__ = ["decimals", "fixed", "power_of_ten"]


def power_of_ten(*values: float) -> int:
    """Power of ten to take out of numbers; zero where they read well without one."""
    largest = max(abs(value) for value in values)
    if largest == 0 or 1e-3 <= largest < 1e5 or not np.isfinite(largest):
        return 0
    return int(np.floor(np.log10(largest)))


def decimals(error: float, power: int = 0) -> int:
    """Decimals that show two significant digits of an error, after a power of ten is taken out; three without error."""
    if not error > 0 or not np.isfinite(error):
        return 3
    return max(0, 1 - int(np.floor(np.log10(error) - power)))


def fixed(value: float, power: int, digits: int) -> str:
    """Write a number with so many decimals, after a power of ten is taken out."""
    return f"{value / 10.0**power:.{digits}f}"
