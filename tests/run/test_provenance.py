"""What outputs say of what they were made of."""

import hashlib

import pytest

from axialcast.files import inventory
from axialcast.run.config import load_config
from axialcast.run.provenance import in_words, provenance, told_by

CONFIG = """
pipeline: [forecast]
output: {folder}/run
data:
  store: "https://me:hunter2@host/a.zarr?sig=abcdef"
  storage_options: {{secret: hunter3, region: "${{oc.env:AXIALCAST_TEST_REGION}}"}}
  variables: [geopotential]
  levels: [500]
  train: ["2001", "2001"]
  validate: ["2002", "2002"]
  test: ["2003", "2003"]
"""
DECIDED = {
    "axialcast": "0.1.0",
    "program": "0123",
    "seed": 3,
    "data.levels": [500],
    "data.region": None,
    "forecast.perturb": 0.0,
    "checkpoint": "4567",
    "store": "89ab",
}


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("AXIALCAST_TEST_REGION", "hunter4")
    (tmp_path / "x.yaml").write_text(CONFIG.format(folder=tmp_path))
    weights = tmp_path / "run" / "checkpoint" / "weights.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    inventory.write(weights.parent, inventory.take(weights.parent))
    return load_config(tmp_path / "x.yaml", ["seed=3"])


def test_keys_that_decide_are_told_with_weights_and_inputs(config):
    told = told_by(provenance(config, DECIDED))
    assert told["config"]["seed"] == 3
    assert told["config"]["data.levels"] == [500.0]
    assert "data.region" not in told["config"], "what says nothing is left out"
    assert "forecast.batch_size" not in told["config"], "it decides nothing"
    assert told["inputs"] == {"checkpoint": "4567", "store": "89ab"}
    digest = hashlib.sha256(b"weights").hexdigest()
    assert told["weights"] == {"weights.safetensors": digest}
    assert set(told["software"]) == {"axialcast", "torch", "numpy", "xarray", "zarr"}


def test_no_secret_and_no_place_of_this_machine(config):
    attrs = provenance(config, DECIDED | {"data.storage_options": {}})
    text = " ".join([*attrs.values(), *in_words(attrs)])
    assert "host/a.zarr" in text
    for secret in ("hunter", "abcdef", str(config.output.parent)):
        assert secret not in text


def test_equal_runs_say_the_same(config, tmp_path):
    other = load_config(
        tmp_path / "x.yaml", ["seed=3", f"output={tmp_path}/elsewhere", "device=cpu"]
    )
    weights = provenance(config, DECIDED)["axialcast_weights"]
    assert provenance(other, DECIDED, weights) == provenance(config, DECIDED)


def test_others_attributes_say_nothing():
    assert told_by({"history": "x", "axialcast_unknown": "y"}) == {}
