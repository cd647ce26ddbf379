"""YAML files: read safely, with the line of what is wrong."""
