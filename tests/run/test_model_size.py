"""What model.size decides, what wins over it, and that a config on the disk says no more."""

from pathlib import Path

import pytest
import yaml

from axialcast.run.config import Config, load_config, save_config
from axialcast.run.model_size import automatic, sized

ROOT = Path(__file__).parents[2]


def config_of(**model):
    values = yaml.safe_load((ROOT / "configs" / "daily_means.yaml").read_text())
    values["data"]["input_steps"] = 3
    return Config.model_validate({**values, "output": "runs/x", "model": model})


def network_of(*, shape=(17, 33), num_channels=1, num_samples=2556, **model):
    config = config_of(**model)
    known = {"shape": shape, "num_channels": num_channels, "num_samples": num_samples}
    model = sized(config, **known).model
    return model.dim, model.depth, model.patch


def test_without_a_size_nothing_is_decided():
    assert network_of() == (128, 4, (1, 2, 2))


@pytest.mark.parametrize(
    ("num_samples", "num_channels", "size"),
    [(365, 1, "small"), (365, 70, "medium"), (2556, 1, "medium"), (7300, 70, "large")],
)
def test_auto_goes_by_samples_and_channels(num_samples, num_channels, size):
    assert automatic(num_samples, num_channels) == size
    known = {"num_samples": num_samples, "num_channels": num_channels}
    assert network_of(size="auto", **known) == network_of(size=size)


def test_patches_go_by_the_grid():
    assert network_of(size="medium")[2] == (3, 4, 4)
    assert network_of(size="large")[2] == (3, 2, 2)
    assert network_of(size="medium", shape=(32, 64))[2] == (3, 4, 4)
    assert network_of(size="medium", shape=(90, 180))[2] == (3, 8, 8)
    assert network_of(size="large", shape=(721, 1440))[2] == (3, 8, 8)
    assert network_of(size="small", shape=(3, 700))[2] == (3, 2, 8)
    assert network_of(size="small", shape=(4, 5))[2] == (3, 1, 1)


def test_points_count_where_they_are_few_and_not_shared():
    known = {"num_channels": 1, "num_samples": 2556}
    local = {
        shape: sized(config_of(size="medium"), shape=shape, **known).model.local
        for shape in ((17, 33), (721, 1440))
    }
    assert local == {(17, 33): 32, (721, 1440): 0}
    config = config_of(size="medium")
    shared = config.model_copy(
        update={"train": config.train.model_copy(update={"domain_ranks": 2})}
    )
    assert sized(shared, shape=(17, 33), **known).model.local == 0
    assert sized(config_of(size="large", local=0), shape=(17, 33), **known).model.local == 0
    assert sized(config_of(), shape=(17, 33), **known).model.local == 0


def test_keys_that_are_given_win():
    assert network_of(size="large", dim=64) == (64, 4, (3, 2, 2))
    assert network_of(size="auto", depth=3, patch=[1, 2, 4]) == (128, 3, (1, 2, 4))


def test_it_is_written_down_as_it_was_given(tmp_path):
    config = config_of(size="auto", depth=3)
    save_config(config, tmp_path / "config.yaml")
    text = (tmp_path / "config.yaml").read_text()
    assert "size: auto" in text
    assert "dim:" not in text
    again = load_config(tmp_path / "config.yaml")
    assert again == config
    assert again.model.model_fields_set >= {"depth", "size"}
    assert not again.model.model_fields_set & {"dim", "patch", "local"}
