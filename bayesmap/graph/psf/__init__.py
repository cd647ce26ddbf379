"""The three ways in which a source meets the point spread function."""
