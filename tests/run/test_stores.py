"""The stores that a config names: found beside it, told without secrets, each with what is said."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from axialcast.run.config import Config, ConfigError, load_config
from axialcast.run.stamps import training_data
from axialcast.run.stores import in_words

PERIODS = {
    "train": ["2001", "2001"],
    "validate": ["2002", "2002"],
    "test": ["2003", "2003"],
}


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that gives the config of a folder `there` with keys of data, from its parent."""
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    for name in ("a.nc", "b_1.nc", "b_2.nc", "both.nc"):
        Path("there", name).touch()
    Path("both.nc").touch()

    def load(*overrides: str, **data: Any) -> Config:
        data = {"variables": ["t", "z"], **PERIODS, **data}
        text = yaml.safe_dump({"pipeline": ["train"], "data": data})
        Path("there/x.yaml").write_text(text)
        return load_config("there/x.yaml", overrides)

    return load


def test_relative_places_are_found_here_or_beside_the_config(loaded: Any) -> None:
    stores = ["a.nc", {"store": "b_*.nc", "variables": ["t"]}, "both.nc", "nowhere.nc", "s3://b/a"]
    config = loaded(store=stores)
    said = {"store": "there/b_*.nc", "variables": ["t"]}
    found = ["there/a.nc", said, "both.nc", "nowhere.nc", "s3://b/a"]
    assert config.source_store == found
    assert load_config("there/x.yaml").text == config.text
    assert yaml.safe_load(config.text)["data"]["store"] == found
    assert loaded(store="b_?.nc").source_store == "there/b_?.nc"
    absolute = [str(Path(place).resolve()) for place in ("there/a.nc", "both.nc")]
    assert loaded(store=["a.nc", "both.nc"]).recipe["store"] == absolute
    assert loaded("data.store=[a.nc,both.nc]", store=["c.nc"]).source_store[0] == "there/a.nc"


def test_they_are_told_in_words() -> None:
    assert in_words("https://me:word@h/a.zarr") == "https://h/a.zarr"
    assert in_words(["s3://b/a?key=word"]) == "s3://b/a"
    assert in_words(["a.nc", "b.nc", "c.nc"]) == "a.nc and 2 more"


def test_static_fields_are_sought_where_they_may_be(loaded: Any) -> None:
    mask = {"store": "both.nc", "variables": ["lsm", "t"], "rename": {"a": "lsm"}}
    weather = {"store": "b.nc", "variables": ["z"]}
    config = loaded(store=["a.nc", mask, weather], static=["land_sea_mask"])
    assert config.static_store == [{"store": "there/a.nc"}, mask]
    config = loaded(store=["a.nc", mask], static=["lsm"], static_store="both.nc")
    assert config.static_store == [{"store": "both.nc", "rename": {"a": "lsm"}}]
    config = loaded(store=["a.nc", mask], static=["lsm"], static_store="b_1.nc")
    assert config.static_store == "there/b_1.nc"


def test_what_is_said_of_a_store_tells_training_data_apart(loaded: Any) -> None:
    one = training_data(loaded(store=["a.nc", "b_1.nc"]))
    same = training_data(loaded(store=["a.nc", {"store": "b_1.nc"}]))
    said = {"store": "b_1.nc", "storage_options": {"secret": "word"}}
    assert one == same == training_data(loaded(store=["a.nc", said]))
    other = training_data(loaded(store=["a.nc", {"store": "b_1.nc", "units": {"t": "degC"}}]))
    assert [n for n in "01" if other["store"][n] != one["store"][n]] == ["1"]
    turned = training_data(loaded(store=["b_1.nc", "a.nc"]))
    assert turned["store"] != one["store"]


def test_outputs_are_never_among_them(loaded: Any) -> None:
    for place in ("runs/x", {"store": "runs"}):
        with pytest.raises(ConfigError, match="output: runs/x is or lies in"):
            loaded(store=["a.nc", place])
