import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from axialcast.run.config import Config, ConfigError, load_config, save_config
from axialcast.run.loss_section import LossConfig
from axialcast.run.model_section import AxialConfig, FileConfig, UNetConfig, ViTConfig
from axialcast.run.sections import RainCellsConfig, SimulateConfig, VerifyConfig
from axialcast.run.shipped import configs
from axialcast.scores.event_labels import FSS, SEEPS
from axialcast.times.periods import period_bounds

TEXT = """
pipeline: [train, forecast]
data:
  store: {store}
  variables: [geopotential]
  train: ["2001", "2003"]
  validate: ["2004", "2004"]
  test: ["2005-01", "2005-06-30"]
model: {{dim: 32, heads: 4}}
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("configs").mkdir()
    Path("configs/x.yaml").write_text(TEXT.format(store="analysis.nc"))
    return Path("configs/x.yaml")


def errors(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    return caught.value.lines


def test_file_overrides_and_defaults(path: Path) -> None:
    config = load_config(path, ["model.dim=64", "train.schedule=[{steps: 7}]", "pipeline=train"])
    assert config.pipeline == ["train"]
    assert (config.model.dim, config.model.heads, config.model.depth) == (64, 4, 4)
    assert [(s.steps, s.rollout_steps) for s in config.train.schedule] == [(7, 1)]
    assert config.data is not None
    assert config.data.validate == ("2004", "2004")
    assert config.output == Path("runs/x")


def test_options_of_a_server_reach_whoever_opens_the_source(path: Path) -> None:
    override = "data.storage_options={anon: false, client_kwargs: {endpoint_url: here}}"
    options = {"anon": False, "client_kwargs": {"endpoint_url": "here"}}
    plain, prepared = load_config(path, [override]), load_config(path, [override, "prepare={}"])
    assert plain.opening["storage_options"] == options
    assert prepared.recipe["storage_options"] == options
    assert "storage_options" not in prepared.opening


def test_patch_of_two_numbers_is_one_time_deep(path: Path) -> None:
    assert load_config(path, ["model.patch=[3,5]"]).model.patch == (1, 3, 5)
    assert load_config(path, ["model.patch=[2,3,5]"]).model.patch == (2, 3, 5)


def test_unquoted_years_are_dates(path: Path) -> None:
    config = load_config(path, ["data.train=[1999,2001]"])
    assert config.data is not None
    assert config.data.train == ("1999", "2001")


def test_environment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    override = "data.store=${oc.env:AXIALCAST_TEST,here}/a.nc"
    monkeypatch.delenv("AXIALCAST_TEST", raising=False)
    assert load_config(path, [override]).analysis_store == "here/a.nc"
    monkeypatch.setenv("AXIALCAST_TEST", "there")
    assert load_config(path, [override]).analysis_store == "there/a.nc"
    [line] = errors(path, "data.store=${oc.env:AXIALCAST_NOT_SET}")
    assert line == (
        "command line: data.store: the environment variable AXIALCAST_NOT_SET is not set; "
        "set it, or write ${oc.env:AXIALCAST_NOT_SET,default}"
    )


def test_store_is_looked_for_here_then_beside_the_config(path: Path) -> None:
    assert load_config(path).analysis_store == "analysis.nc"
    Path("configs/analysis.nc").touch()
    assert load_config(path).analysis_store == "configs/analysis.nc"
    Path("analysis.nc").touch()
    assert load_config(path).analysis_store == "analysis.nc"
    assert load_config(path, ["data.store=gs://b/x.zarr"]).analysis_store == "gs://b/x.zarr"
    assert load_config(path, ["data.store=null"]).analysis_store == "runs/x/analysis.zarr"


def test_saved_config_loads_alike(path: Path, tmp_path: Path) -> None:
    config = load_config(path, ["verify.regions={box: {latitude: [-3, 5], longitude: [7, 11]}}"])
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_sections_are_frozen(path: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_config(path).model.dim = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("model.num_head=2", "model.num_head: unknown key; did you mean heads?"),
        ("model.batch_size=2", ("model.batch_size: unknown key; did you mean train.batch_size or "
         "forecast.batch_size?")),
        ("train.patch=[1,2]", "train.patch: unknown key; did you mean model.patch?"),
        ("trian.batch_size=3", "trian: unknown key; did you mean train?"),
        ("forecast.lead_time=3", "forecast.lead_time: got 3, expected a number of s, min, h,"),
        ("train.schedule=[{steps: 3, rollout: 2}]",
         "train.schedule.0.rollout: unknown key; did you mean rollout_steps?"),
        ("verify.regions.box={latitude: [0, 1], longitud: [2, 3]}",
         "verify.regions.box.longitud: unknown key; did you mean longitude?"),
        ("forecast.xyz=1", ("forecast.xyz: unknown key; expected one of lead_time, "
         "lead_time_hours, init_times, init_every, init_every_hours, forcings, "
         "boundary_store, members, perturb, lagged, batch_size, layout, packing")),
        ("forecast.packing={kind: int16, ranges: {tp: [0, 1]}}",
         "forecast.packing.ranges: tp is not forecast; leave it out"),
        ("forecast.packing={kind: int16, ranges: {z: [1, 1]}}",
         "forecast.packing.ranges.z: got [1, 1], expected the lowest value first"),
        ("data.bounds={geopotential: [0]}", ("data.bounds.geopotential.1: missing; expected: "
         "Lowest and highest value")),
        ("train.batch_size=0", "train.batch_size: got 0, expected greater than 0"),
        ("train.learning_rate=.inf", "train.learning_rate: got inf, expected a finite number"),
        ("model.position=learnt", ("model.position: got 'learnt', expected 'learned', "
         "'sinusoidal', 'rotary' or 'none'; did you mean learned?")),
        ("model.heads=5", "model: dim 32 is not divisible by heads 5; try dim: 30"),
        ("model.patch=[3,2,2]", "model.patch: 3 times do not divide data.input_steps 2; make "),
        ("pipeline=[trian]", "pipeline: unknown pipeline 'trian'; did you mean train?"),
        ("pipeline=[]", "pipeline: empty; name at least one pipeline"),
        ("pipeline=mine.py", "pipeline: no such file mine.py"),
        ("data.test=[2003-07,2003]", ("data: train 2001 to 2003 and test 2003-07 to 2003 overlap "
         "(2003-07-01 to 2003-12-31)")),
        ("data.train=[2003,2001]", "data.train: 2003 comes after 2001; put the earlier date first"),
        ("data.train=2003", "data.train: got 2003, expected [first, last]"),
        ("data.train=[2001,2001-02-30]", "data.train: got '2001-02-30': there is no such date"),
        ("data.train=[yesterday,2001]", "data.train: got 'yesterday', expected a date"),
        ("data.variables=[]", "data.variables: got [], "),
        ("data=null", "data: missing; say which variables and years under data:"),
        ("data.step_hours=7", "forecast.lead_time_hours: 120 is not a multiple of data.step_hours"),
        ("data.step=7 h", "forecast.lead_time_hours: 120 is not a multiple of data.step: 7 h"),
        ("data.step=1 month", "forecast.lead_time_hours: 120 is not a multiple of data.step: 1 mo"),
        ("data={step: 6 h, step_hours: 6}", "data: step and step_hours are both given; leave one"),
        ("forecast={lead_time: 5 days, lead_time_hours: 120}",
         "forecast: lead_time and lead_time_hours are both given; leave one out"),
        ("forecast={init_every: 1 day, init_every_hours: 24}",
         "forecast: init_every and init_every_hours are both given"),
        ("forecast.lead_time_hours=null", "forecast: lead_time: missing, as lead_time_hours is"),
        ("forecast.lead_time=0 h", "forecast.lead_time: got '0 h', expected one or more whole"),
        ("forecast.init_times={first: 2001, every: 1 day}",
         "forecast.init_times: got a range of first, every, expected first, last and every"),
        ("forecast.init_times={first: 2002, last: 2001, every: 1 day}",
         "forecast.init_times: 2002 comes after 2001; put the earlier date first"),
        ("forecast.init_times={first: 2001, last: 2002, every: day}",
         "forecast.init_times: got 'day', expected a number of s, min, h"),
        ("forecast.init_times=all", "forecast.init_times: got 'all', expected test "),
        ("forecast.init_times=[2005-13-01]", "forecast.init_times: got '2005-13-01': there is no "),
        ("model={kind: unte}", ("model.kind: got 'unte', expected 'axial', 'unet', 'vit' or "
         "'file'; did you mean unet?")),
        ("model={kind: unet}", "model.heads: unknown key; kind unet has none; expected one of "),
        ("model={kind: vit, heads: 5}", "model: dim 32 is not divisible by heads 5; try dim: 30"),
        ("device=gpu", "device: got 'gpu', "),
        ("verify.regions.box={latitude: [5, -5], longitude: [2, 3]}",
         "verify.regions.box: latitude [5.0, -5.0]: expected [south, north] within -90 to 90"),
    ],
)  # fmt: skip
def test_one_error_one_line_with_the_remedy(path: Path, override: str, line: str) -> None:
    [found] = errors(path, override)
    origin, _, rest = found.partition(": ")
    assert origin in ("command line", "configs/x.yaml")
    assert (rest if "unknown key; expected" in line else rest[: len(line)]) == line


def test_a_network_of_ones_own_is_looked_for_here_then_beside_the_config(path: Path) -> None:
    path.write_text(path.read_text().replace("dim: 32, heads: 4", "kind: file"))
    [line] = errors(path)
    assert "model.path: missing; expected: Python file that defines build(num_channels" in line
    [line] = errors(path, "model={path: a.py, dims: 3}")
    assert line.startswith("command line: model.dims: unknown key; expected one of kind, base, ")
    assert line.endswith(", path, options")
    assert load_config(path, ["model.path=a.py"]).model.path == "a.py"
    Path("configs/a.py").touch()
    config = load_config(path, ["model={path: a.py, options: {width: 3}}"])
    said = {"kind": "file", "path": "configs/a.py", "options": {"width": 3}}
    assert config.model.model_dump().items() >= said.items()
    save_config(config, Path("saved.yaml"))
    assert load_config("saved.yaml") == config


def test_lines_name_the_file_or_the_command_line(path: Path) -> None:
    path.write_text(path.read_text().replace("dim: 32", "dims: 32"))
    assert errors(path, "train.batchsize=3") == [
        "configs/x.yaml: model.dims: unknown key; did you mean dim?",
        "command line: train.batchsize: unknown key; did you mean batch_size?",
    ]


def test_all_errors_at_once_and_none_twice(path: Path) -> None:
    path.write_text(path.read_text().replace("train: [", "trian: [").replace("dim: 32", "dim: 30"))
    lines = errors(path, "seed=-1", "sed=1", "train.batch_size=x")
    assert [line.split(": ")[1] for line in lines] == [
        "data.trian", "sed", "seed", "model", "train.batch_size"
    ]  # fmt: skip


def test_a_simulated_planet_must_hold_the_periods(path: Path) -> None:
    simulate = ["pipeline=[simulate,train]", "simulate.start=2001", "simulate.end=2005-06"]
    config = load_config(path, [*simulate, "data.store=null"])
    assert config.simulate == SimulateConfig(start="2001", end="2005-06")
    [line] = errors(path, *simulate, "data.store=null", "simulate.end=2005-05")
    assert "data.test: 2005-01 to 2005-06-30 is not within simulate.start 2001" in line
    [line] = errors(path, *simulate)
    assert "data.store: analysis.nc would be read, not what simulate writes" in line
    [line] = errors(path, *simulate, "data.store=null", "simulate.start=2009")
    assert line.endswith("simulate: start 2009 comes after end 2005-06; swap them")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("pipeline: [a\nb: 1\n", ":2: not valid YAML"),
        ("pipeline: train\npipeline: train\n", ":2: not valid YAML: found duplicate key pipeline"),
        ("- train\n", ": expected KEY: VALUE pairs, got a list"),
        ("pipeline: ${nowhere}\n", ": pipeline: ${nowhere} refers to a key that is not given"),
    ],
)
def test_what_is_no_config(path: Path, text: str, line: str) -> None:
    path.write_text(text)
    [found] = errors(path)
    assert found.startswith(f"configs/x.yaml{line}")


def test_what_is_no_text_and_what_is_no_override(path: Path) -> None:
    assert errors(path, "steps")[0].startswith("command line: steps: expected KEY=VALUE")
    path.write_bytes(b"\xff\xfe\x00")
    assert errors(path) == ["configs/x.yaml: not a text file; expected YAML in UTF-8"]
    with pytest.raises(FileNotFoundError):
        load_config("nowhere.yaml")


@given(st.integers(1900, 2100), st.integers(1, 12))
def test_period_bounds_are_what_pandas_reads(year: int, month: int) -> None:
    import pandas as pd

    period = (f"{year}", f"{year}-{month:02d}")
    first, last = period_bounds(period)
    assert first == np.datetime64(f"{year}-01-01")
    assert last == pd.Period(period[1]).end_time.floor("s").to_datetime64()


@pytest.mark.parametrize("name", configs())
def test_every_shipped_config_is_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_config(configs()[name]).output == Path("runs") / name


def defaults_of(section: type[BaseModel]) -> dict[str, Any]:
    return {
        name: field.default
        for name, field in section.model_fields.items()
        if not field.is_required()
    }


def test_every_field_is_described() -> None:
    def sections(model: type[BaseModel]) -> set[type[BaseModel]]:
        from axialcast.run.errors import _sections_in

        fields = model.model_fields.values()
        found = {section for field in fields for section in _sections_in(field.annotation)}
        return found.union(*(sections(section) for section in found))

    for section in sections(Config):
        for name, field in section.model_fields.items():
            assert field.description, f"{section.__name__}.{name}"


WORLD = {
    *("num_channels", "num_diagnostic", "num_forcings", "num_static", "forcings"),
    *("grid", "increment_scale", "input_steps", "floor", "boundary", "settings"),
    *("num_fields", "num_outputs", "sha256"),
}
"""Of a network, what follows from the data."""


def test_sections_have_their_constructors_keywords_and_defaults() -> None:
    from axialcast.model import ForecastNetwork
    from axialcast.model.axial import AxialBody
    from axialcast.model.loss import Loss
    from axialcast.model.own import OwnBody
    from axialcast.model.own_loss import OwnCells
    from axialcast.model.unet import UNet
    from axialcast.model.vit import ViT
    from axialcast.planet.nature_run import nature_run
    from axialcast.planet.rain_cells import RainCells

    for section, constructors, from_elsewhere in (
        (SimulateConfig, [nature_run], {"seed", "block_days"}),
        (RainCellsConfig, [RainCells], {"seed"}),
        (LossConfig, [Loss.of, OwnCells], {"is_periodic", "file", "path"}),
        (AxialConfig, [ForecastNetwork, AxialBody], WORLD),
        (UNetConfig, [ForecastNetwork, UNet], WORLD),
        (ViTConfig, [ForecastNetwork, ViT], WORLD),
        (FileConfig, [ForecastNetwork, OwnBody], WORLD),
    ):
        parameters: dict[str, inspect.Parameter] = {}
        for constructor in constructors:
            parameters |= inspect.signature(constructor).parameters
        chosen = {"kind", "path", "size", "base"}  # what they stand for follows from the data
        assert set(section.model_fields) - chosen == set(parameters) - from_elsewhere - chosen
        for name, default in defaults_of(section).items():
            if name in (*chosen, "options", "departures"):  # and what the user decides
                continue
            if parameters[name].default is not inspect.Parameter.empty:
                assert (parameters[name].default or default) == default, name


def test_metrics_are_those_of_the_library() -> None:
    from axialcast.verify import ENSEMBLE_METRICS, EVENT_METRICS, METRICS

    assert VerifyConfig().metrics == [*METRICS, *ENSEMBLE_METRICS]
    every = [*METRICS, *ENSEMBLE_METRICS, *EVENT_METRICS, FSS, SEEPS]
    given = {"thresholds": {"t": [0]}, "neighbourhoods": [3], "dry": {"t": 0}}
    assert VerifyConfig(metrics=every, **given).metrics == every
