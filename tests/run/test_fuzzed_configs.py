"""Configs changed at random: each is refused in plain lines, or passes on what it configures.

Bounded and seeded, so that a failure comes again; `-m slow` draws many more.
"""

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from typer.testing import CliRunner

from axialcast.run.cli import app
from axialcast.run.config import Config, load_config
from axialcast.run.errors import places
from axialcast.run.preflight import check_run
from axialcast.run.shipped import configs

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 3, 7, 24, 500, 2001, 10**9, 10**30, 0.5, 1e-9, 1e308, -0.0),
    *(float("nan"), float("inf"), "", " ", "~", "test", "all", "2001", "2001-01-05", "rmse"),
    *("geopotential", "z", "t", "mean_sea_level_pressure", "K", "hPa", "cpu", "5 minutes"),
    *("x\ny", "<script>", "${", "${seed}", "${oc.env:AXIALCAST_UNSET}", "???", "gs://", "é\u202e"),
    *([], [None], [[]], [1], [500.0, 850.0], [850, 500], ["z", "geopotential"], [2, 2], [1, 1, 1]),
    *(["2001-01-01", "2001-01-20"], ["2001", "2001"], ["2001-02", "2001-01"], [{"steps": 1}]),
    *({}, {"a": 1}, {"": {}}, {1: 2}, {"latitude": [-20, 60], "longitude": [0, 360]}),
    {"box": {"latitude": [-20, 60], "longitude": [300, 40]}},
    {"num_latitudes": 5, "num_longitudes": 11, "poles": True},
]  # fmt: skip
"""What a slip of the pen, or of a program that writes configs, may leave behind a key."""


def changed(values: Any, draw: random.Random) -> Any:
    """A config with one to three changes: a value, a key, a list, or what an override says."""
    values = copy.deepcopy(values)
    for _ in range(draw.choice([1, 1, 2, 3])):
        section, key = draw.choice(list(_places_in(values)))
        kind = draw.random()
        if kind < 0.4:
            section[key] = _near(section[key], draw)
        elif kind < 0.6:
            section[key] = copy.deepcopy(draw.choice(VALUES))
        elif kind < 0.65:
            del section[key]
        elif kind < 0.75 and isinstance(section, dict):
            section[_misspelt(str(key), draw)] = section.pop(key)
        elif kind < 0.85 and isinstance(section[key], list):
            section[key] += section[key][:1] or [draw.choice(VALUES)]
        else:
            _set(values, draw.choice(list(places(Config))), copy.deepcopy(draw.choice(VALUES)))
    return values


def _near(value: Any, draw: random.Random) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return draw.choice([value + 1, value - 1, 2 * value, value / 2, -value, float(value)])
    if isinstance(value, list):
        return draw.choice([value[::-1], value[1:], value[:-1], value + value[:1]])
    if isinstance(value, dict):
        return dict(reversed(value.items()))
    return draw.choice([value.upper(), value[:-1], value + "-01", value.replace("1", "2")])


def _places_in(values: Any) -> Iterator[tuple[Any, Any]]:
    for key in values if isinstance(values, dict) else range(len(values)):
        yield values, key
        if isinstance(values[key], dict | list):
            yield from _places_in(values[key])


def _misspelt(key: str, draw: random.Random) -> str:
    place = draw.randrange(len(key) + 1)
    return (
        key[:place]
        + draw.choice(["", "s", "_", " ", ".", "\n"])
        + key[place + draw.randint(0, 1) :]
    )


def _set(values: Any, dotted: str, value: Any) -> None:
    *sections, key = dotted.split(".")
    for name in sections:
        below = values.get(name)
        if not isinstance(below, dict):
            below = values[name] = {}
        values = below
    values[key] = value


def refusal(call: Callable[[], Any]) -> list[str] | None:
    """The lines of what a call refuses with, None if it passes."""
    try:
        call()
    except (ValueError, OSError) as error:
        return getattr(error, "lines", [str(error)])
    return None


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_here: Path) -> Any:
    """A config whose data are there, every key written out."""
    return yaml.safe_load(load_config("x.yaml").text)


def is_plain(line: str, plain: Callable[[str], bool]) -> bool:
    return bool(line.strip()) and plain(line) and len(line) < 1000


def check_refusals(
    start: Any, draw: random.Random, count: int, plain: Callable[[str], bool]
) -> int:
    """Draws configs; the number of those that `check` accepts. What it accepts can be built."""
    accepted = 0
    for _ in range(count):
        values = changed(start, draw)
        Path("drawn.yaml").write_text(yaml.safe_dump(values), "utf-8")
        lines = refusal(lambda: load_config("drawn.yaml"))
        if lines is None:
            config = load_config("drawn.yaml")
            lines = refusal(lambda config=config: built(config))
        accepted += lines is None
        for line in lines or []:
            assert is_plain(line, plain), (values, line)
    return accepted


def built(config: Config) -> None:
    """What a config is of, checked and made of it, as far as that costs nothing."""
    preflight = check_run(config)
    if preflight is not None and "train" in config.pipeline:
        preflight.network()
        assert len(preflight.states("train")) > 0
        assert np.isfinite(preflight.output_bytes(1))


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_config_passes_or_is_refused_in_plain_lines(
    small: Any, seed: int, plain: Callable[[str], bool]
) -> None:
    assert check_refusals(small, random.Random(seed), 100, plain) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_changed_configs(small: Any, seed: int, plain: Callable[[str], bool]) -> None:
    check_refusals(small, random.Random(seed), 250, plain)


@pytest.mark.parametrize("name", configs())
def test_shipped_configs_changed(
    small: Any, name: str, plain: Callable[[str], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, start = random.Random(name), yaml.safe_load(configs()[name].read_text())
    for _ in range(60):
        Path("drawn.yaml").write_text(yaml.safe_dump(changed(start, draw)), "utf-8")
        for line in refusal(lambda: load_config("drawn.yaml")) or []:
            assert is_plain(line, plain)


def test_overrides_changed(small: Any, plain: Callable[[str], bool]) -> None:
    draw, keys = random.Random(13), list(places(Config))
    marks = ["", "", "[0]", ".x", " ", "=", "[", "..", "\n"]
    for _ in range(200):
        value = (
            yaml.safe_dump(draw.choice(VALUES), default_flow_style=True).strip().removesuffix("...")
        )
        text = draw.choice(
            [value.strip(), value[:-1], f"[{value}", f"{value}:", f"{value} #", "%", "'"]
        )
        override = f"{draw.choice(keys)}{draw.choice(marks)}={text}"
        for line in refusal(lambda override=override: load_config("x.yaml", [override])) or []:
            assert is_plain(line, plain), override


@pytest.mark.parametrize("command", ["check", "run"])
def test_the_command_refuses_in_lines_of_its_own(
    small: Any, command: str, plain: Callable[[str], bool]
) -> None:
    draw = random.Random(command)
    small["pipeline"] = ["verify"]  # without a forecast nothing runs
    for _ in range(30):
        Path("drawn.yaml").write_text(yaml.safe_dump(changed(small, draw)), "utf-8")
        result = CliRunner().invoke(app, [command, "drawn.yaml"])
        if result.exit_code == 0:
            continue
        assert result.exit_code == 2, result.exception
        lines = result.stderr.splitlines()
        assert lines
        for line in lines:
            assert line.startswith("axialcast: error: ")
            assert plain(line)


def test_a_store_changed(small: Any, analysis: xr.Dataset) -> None:
    """Grids without neighbours are no forecast's, whatever the config says."""
    for dim in ("latitude", "longitude"):
        analysis.isel({dim: [3]}).to_netcdf("analysis.nc")
        [line] = refusal(lambda: check_run(load_config("x.yaml"))) or []
        assert f"{dim}: the grid has one; a forecast needs two or more" in line
