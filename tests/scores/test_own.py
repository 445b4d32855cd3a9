"""Scores by file: of each cell, averaged as all others are."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from axialcast.baselines import Persistence
from axialcast.own import OwnFile
from axialcast.scores.own import OwnScore
from axialcast.verify import evaluate

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
EXAMPLE = Path(__file__).parents[2] / "examples" / "score.py"
SQUARES = """
import numpy as np
def statistic(forecast, truth, climatology):
    return (forecast.astype(float) - truth) ** 2
def score(mean):
    return np.sqrt(mean)
"""


def score_of(tmp_path: Path, text: str, name: str = "mine.py") -> OwnScore:
    (tmp_path / name).write_text(text)
    return OwnScore(OwnFile.read(tmp_path / name))


@pytest.mark.parametrize("has_gaps", [False, True])
def test_the_root_mean_square_error_by_file_is_ours(
    tmp_path: Path, noise: xr.Dataset, climatology, forecast_of, has_gaps: bool
) -> None:
    if has_gaps:
        noise["pressure"][801:803, 2, 3:5] = np.nan
    inits = noise["time"].values[800:840]
    forecast = forecast_of(noise, inits, np.array([1, 3]) * DAY, error=2.0)
    found = evaluate(
        forecast,
        noise,
        climatology=climatology,
        baselines={"persistence": Persistence()},
        metrics=["rmse", "bias"],
        regions={"north": {"latitude": [0, 60], "longitude": [0, 180]}},
        own=[score_of(tmp_path, SQUARES)],
    )["pressure"]
    assert found["metric"].values.tolist() == ["rmse", "bias", "mine"]
    np.testing.assert_allclose(found.sel(metric="mine"), found.sel(metric="rmse"), rtol=1e-6)


def test_the_example_is_one_for_certainty_and_none_for_luck(
    noise, climatology, forecast_of
) -> None:
    inits = noise["time"].values[800:900]
    forecast = forecast_of(noise, inits, np.array([1, 3]) * DAY)
    own = OwnScore(OwnFile.read(EXAMPLE))
    own.check()
    baselines = {"persistence": Persistence()}
    found = evaluate(forecast, noise, climatology=climatology, baselines=baselines, own=[own])
    score = found["pressure"].sel(metric="score", region="all")
    np.testing.assert_array_equal(score.sel(model="forecast"), 1.0)
    assert (np.abs(score.sel(model="persistence")) < 0.05).all()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def statistic(a, b, c): return 1.0", ": statistic returned (), expected what each cell "),
        ("def statistic(a, b, c): return a / 0", ": statistic is NaN or infinite where forecast"),
        ("def statistic(a, b): return a", ": statistic(a, b), given 3 arguments: too many"),
        ("def score(mean): return mean", ": defines no statistic(…); add `def statistic(…): …`"),
        (
            f"{SQUARES[:-25]}\n    return mean[0]",
            ": score returned (1,) for means (1, 1), expected",
        ),
        ("def statistic(a, b, c): return a.nothing", ":1: AttributeError: 'numpy.ndarray' object"),
    ],
)
def test_what_is_no_score_is_said(tmp_path: Path, text: str, line: str) -> None:
    own = score_of(tmp_path, text)
    with pytest.raises(ValueError) as caught:
        own.check()
    assert str(caught.value).removeprefix(str(own.file.path))[: len(line)] == line
