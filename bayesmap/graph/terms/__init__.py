"""What predicts counts in a dataset: one kind of term per file."""
