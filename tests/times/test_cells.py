"""Cells: what was done along time, and over which interval, in CF's words."""

import json
from dataclasses import asdict

import pytest

from axialcast.times.cells import Cell, methods_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("time: mean", {"time": "mean"}),
        ("area: time: mean (interval: 1 hour)", {"area": "mean", "time": "mean"}),
        ("lead_time: sum", {"time": "sum"}),
        ("prediction_timedelta: maximum time: mean", {"time": "maximum, mean"}),
        ("area: mean where land", {"area": "mean where land"}),
        ("", {}),
    ],
)
def test_methods_are_read(text, found):
    assert methods_of(text) == found


def test_attributes_and_json_say_the_same_again():
    for cell in (
        Cell("mean"),
        Cell("sum", (-6.0, 0.0)),
        Cell("maximum, mean", (0.0, 24.0)),
        Cell("mean", (0.0, 1.0), "cell_months"),
    ):
        assert Cell.of(cell.attrs()) == cell
        assert Cell.of(cell.attrs("lead_time")) == cell
        assert Cell.from_dict(json.loads(json.dumps(asdict(cell)))) == cell
    assert Cell.of({"units": "K", "cell_methods": "area: mean"}) is None


def test_kinds_contradict_each_other_and_intervals_where_both_are_told():
    day, noon, mean = Cell("mean", (0.0, 24.0)), Cell("mean", (-12.0, 12.0)), Cell("mean")
    assert day.contradicts(noon)
    assert not day.contradicts(mean)
    assert mean.contradicts(Cell("point"))
