"""Write docs/model-file.schema.json, the JSON schema of model files: python docs/make_schema.py."""

from pathlib import Path

from bayesmap.modeling.files.schema import schema_text

if __name__ == "__main__":
    (Path(__file__).parent / "model-file.schema.json").write_text(schema_text(), encoding="utf-8")
