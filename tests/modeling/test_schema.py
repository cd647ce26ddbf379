"""The JSON schema of model files: current, valid, true to the reader."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from bayesmap.errors import ModelFileError
from bayesmap.modeling import Models
from bayesmap.modeling.files.schema import model_file_schema, schema_text
from tests.golden import shared_path
from tests.modeling.test_correlated import joint, sky
from tests.modeling.test_hyper import hierarchical_models
from tests.modeling.test_yaml import BAD, VALID, linked_models

ROOT = Path(__file__).parents[2]
VALIDATOR = jsonschema.Draft202012Validator(model_file_schema())
SHARED = sorted(shared_path("data", "models", "yaml").rglob("*.yaml"))
ZOO = sorted((ROOT / "models").glob("*.yaml"))
# What only the reader finds: values, units, bounds, references.
BEYOND = ("given twice", "value must be finite", "is above max", "unknown unit", "needs a unit that", "prior", "mass",
          "does not convert", "nested more", "frame must", "already a component", "must not be empty", "linked",
          "exactly one")  # fmt: skip


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize("path", [*SHARED, *ZOO, shared_path("data", "yaml_pair", "models.yaml")], ids=lambda p: p.stem)
def test_files(path):
    VALIDATOR.validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("full_output", [False, True])
@pytest.mark.parametrize("gammapy", ["2.1", "dev"])
def test_what_we_write(full_output, gammapy):
    for models in (linked_models(), hierarchical_models(), sky(joint())):
        text = models.to_yaml(full_output=full_output, gammapy=gammapy)
        VALIDATOR.validate(yaml.safe_load(text))
        assert Models.from_yaml(text).to_yaml(full_output=full_output, gammapy=gammapy) == text


@pytest.mark.parametrize(("old", "new", "message"), BAD, ids=[case[1][:40] for case in BAD])
def test_damaged_files(old, new, message):
    """What the schema refuses, the reader refuses; and what the reader finds beyond the schema is known."""
    text = VALID.replace(old, new, 1)
    with pytest.raises(ModelFileError):
        Models.from_yaml(text)
    if "&" in text:
        return  # endless data
    refused = not VALIDATOR.is_valid(yaml.safe_load(text))
    assert refused or any(words in message for words in BEYOND)
