"""Numbers from symbolic formulas, and geometry on the sphere."""
