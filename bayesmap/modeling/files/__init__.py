"""Models in files: YAML, its schema, the zoo, and the forms of other programs."""
