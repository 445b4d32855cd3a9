"""Intervals as a config spells them."""

import pytest

from axialcast.run.config import ConfigError, load_config
from axialcast.run.shipped import configs
from axialcast.times.periods import interval


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (200, {"every_steps": 200}),
        ("200", {"every_steps": 200}),
        ("200 steps", {"every_steps": 200}),
        ("1 step", {"every_steps": 1}),
        ("5 minutes", {"every_seconds": 300.0}),
        ("1 min", {"every_seconds": 60.0}),
        ("30 s", {"every_seconds": 30.0}),
        ("0.5 seconds", {"every_seconds": 0.5}),
        ("2 h", {"every_seconds": 7200.0}),
        ("1.5hours", {"every_seconds": 5400.0}),
    ],
)
def test_intervals(value, want):
    assert interval(value) == want


@pytest.mark.parametrize(
    "value", [0, -5, 2.5, True, None, "", "soon", "0 s", "h", "5 m", "1.5 steps"]
)
def test_what_is_no_interval(value):
    with pytest.raises(ValueError, match=f"got {value!r}, expected a number of steps such as 200"):
        interval(value)


def test_in_a_config():
    path = configs()["smallest"]
    assert load_config(path).train.save_interval == {"every_seconds": 300.0}
    assert load_config(path, ["train.save_every=20"]).train.save_interval == {"every_steps": 20}
    with pytest.raises(ConfigError) as error:
        load_config(path, ["train.save_every=often", "train.keep_states=0"])
    assert len(error.value.lines) == 2
    assert error.value.lines[0].endswith(
        "train.save_every: got 'often', expected a number of steps such as 200, or a time such as "
        '"5 minutes", "30 s" or "2 h"'
    )


def test_a_period_of_one_instant_and_one_that_runs_backwards():
    path = configs()["smallest"]
    instant = "2001-02-01T06:00:00"
    assert load_config(path, [f"data.train=['{instant}','{instant}']"]).data.train == (
        instant,
        instant,
    )
    with pytest.raises(ConfigError) as error:
        load_config(path, ["data.train=['2001-02-01T06:00:01','2001-02-01T06:00:00']"])
    [line] = error.value.lines
    assert line.endswith(
        "2001-02-01T06:00:01 comes after 2001-02-01T06:00:00; put the earlier date first"
    )
