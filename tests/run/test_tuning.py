"""A search for better settings: what is tried, what counts, how it goes on after a stop.

Trainings are stood in for by a formula that writes the log which a training would write.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import xarray as xr
import yaml

pytest.importorskip("optuna")

from axialcast.run import tuning
from axialcast.run.config import load_config
from axialcast.run.trials import Space
from axialcast.run.tuning import Tuning


@pytest.fixture
def config(make_analysis, tmp_path) -> Path:
    make_analysis(num_times=60).to_netcdf(tmp_path / "analysis.nc")
    values = {
        "pipeline": ["train", "forecast"],
        "output": str(tmp_path / "out"),
        "data": {
            "store": str(tmp_path / "analysis.nc"),
            "variables": ["mean_sea_level_pressure"],
            "train": ["2001-01-01", "2001-02-05"],
            "validate": ["2001-02-06", "2001-02-15"],
            "test": ["2001-02-16", "2001-02-28"],
        },
        "model": {"dim": 32, "dropout": 0.05},
        "train": {"schedule": [{"steps": 7}, {"steps": 3, "rollout_steps": 2}], "batch_size": 4},
    }
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "x.yaml"


@pytest.fixture
def trained(monkeypatch) -> list[list[str]]:
    """What was trained: a low rate and much dropout are best."""
    seen: list[list[str]] = []

    def run(path, overrides, end):
        seen.append([*overrides])
        keys = dict(one.split("=", 1) for one in overrides)
        rate, dropout = (
            float(keys.get("train.learning_rate", 1e-3)),
            keys.get("model.dropout", 0.05),
        )
        rmse = 0.5 + 100 * rate - float(dropout)
        folder = Path(keys["output"])
        entries = [{"step": 5, "validation_rmse": rmse}, {"step": 6, "loss": 1.0}]
        (folder / "log.jsonl").write_text("\n".join(map(json.dumps, entries)))
        (folder / "checkpoint").mkdir()
        return None

    monkeypatch.setattr(tuning, "_run", run)
    return seen


def search(config, *, trials, said=None):
    """A search that ends after so many trials."""
    lines = [] if said is None else said
    made = Tuning.of(config, [], lines.append)
    now = iter(range(10**6))
    # The clock is looked at once before the first trial, once before each, and once after.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "time", SimpleNamespace(monotonic=lambda: next(now)))
        return made.run(minutes=2 * trials / 60)


def test_the_space_is_around_what_is_given(config):
    space = Space.of(config, [])
    assert space.choices["dropout"] == [0.0, 0.05, 0.1, 0.2]
    assert space.choices["size"] == ["as given", "small", "medium", "large"]
    assert space.overrides(space.given) == []
    point = space.given | {"size": "small", "steps": 0.5, "learning_rate": 2.0}
    tuned = load_config(config, space.overrides(point))
    assert (tuned.model.dim, tuned.model.depth) == (64, 1)
    assert [stage.steps for stage in tuned.train.schedule] == [4, 2]
    assert [stage.rollout_steps for stage in tuned.train.schedule] == [1, 2]
    assert tuned.train.learning_rate == 4e-3
    assert tuned.model.dropout == 0.05


def test_the_first_trial_is_the_config_and_the_best_is_written(config, trained):
    said: list[str] = []
    path = search(config, trials=14, said=said)
    assert not any(key.startswith(("model.", "train.learn")) for key in trained[0])
    assert all("train.members=1" in each and "pipeline=[train]" in each for each in trained)
    assert len({tuple(each[:-4]) for each in trained}) == len(trained), "none twice"
    tuned, given = load_config(path), load_config(config)
    rmse = [float(line.partition("RMSE ")[2].partition(",")[0]) for line in said[: len(trained)]]
    best = trained[rmse.index(min(rmse))]
    assert load_config(config, best[:-4]).train == tuned.train
    assert (tuned.pipeline, tuned.output) == (given.pipeline, given.output)
    assert not list((path.parent / ".tune").glob("*/*")), "trials that have ended leave nothing"


def test_a_search_goes_on_where_another_was_stopped(config, trained, monkeypatch):
    search(config, trials=6)
    made, ended = len(trained), tuning._run

    def killed(path, overrides, end):
        ended(path, overrides, end)
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning, "_run", killed)
    with pytest.raises(KeyboardInterrupt):
        search(config, trials=6)
    monkeypatch.setattr(tuning, "_run", ended)
    (journal,) = (config.parent / "out" / ".tune").glob("*.jsonl")
    with journal.open("ab") as file:
        file.write(b'{"op_code": 6, "tri')  # as a process leaves it that is killed as it writes
    for folder in (config.parent / "out" / ".tune").glob("*/*/checkpoint"):
        folder.rmdir()
    search(config, trials=6)
    assert trained[made] == trained[made + 1], "the trial that was left comes first"
    others = [tuple(each) for each in trained[:made] + trained[made + 1 :]]
    assert len(set(others)) == len(others)


def test_no_trial_counts_that_failed(config, monkeypatch):
    monkeypatch.setattr(tuning, "_run", lambda path, overrides, end: "the loss became nan")
    monkeypatch.setattr(tuning, "_best_in", lambda log: 0.1)
    said: list[str] = []
    with pytest.raises(ValueError, match="no trial has ended yet"):
        search(config, trials=4, said=said)
    assert said[0] == "tune: trial 0 failed: the loss became nan"


def test_what_trains_nothing_is_refused(config):
    with pytest.raises(ValueError, match="trains nothing; put train into it"):
        Tuning.of(config, ["pipeline=[forecast]"], print)


@pytest.mark.slow
def test_a_whole_search(config, make_analysis):
    """Real trainings of a few steps; the shipped command."""
    path = Tuning.of(config, ["train.validate_every=5"], print).run(minutes=1.0)
    assert xr.open_dataset(config.parent / "analysis.nc").sizes["time"] == 60
    assert load_config(path).train.keep == "best"
