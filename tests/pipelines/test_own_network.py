"""A network by file goes the whole line: checked, trained, forecast with; refused once changed."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from axialcast.forecast import load_checkpoint
from axialcast.run.config import Config, ConfigError, load_config
from axialcast.run.preflight import check_run
from axialcast.run.stages import run_stages

EXAMPLE = Path(__file__).parents[2] / "examples" / "network.py"
TEXT = """
pipeline: [train, forecast]
data:
  store: analysis.nc
  variables: [geopotential, mean_sea_level_pressure]
  train: [2001-01-01, 2001-03-31]
  validate: [2001-04-01, 2001-04-20]
  test: [2001-04-21, 2001-05-15]
model: {model}
train: {{batch_size: 8, schedule: [{{steps: 3}}]}}
forecast: {{lead_time: 2 days, init_every: 4 days}}
"""


@pytest.fixture
def config_of(make_analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that makes a config of a network, such as that of mine.py, the example."""
    monkeypatch.chdir(tmp_path)
    make_analysis(num_times=150).to_netcdf("analysis.nc")
    Path("mine.py").write_text(EXAMPLE.read_text())

    def config(model: str = "{kind: file, path: mine.py}", *overrides: str) -> Config:
        Path("x.yaml").write_text(TEXT.format(model=model))
        return load_config("x.yaml", ["output=run", *overrides])

    return config


def run(config: Config) -> list[str]:
    said: list[str] = []
    run_stages(config, before=lambda: check_run(config) and None, say=said.append)
    return said


@pytest.mark.parametrize("model", ["{kind: unet, dim: 8, depth: 1}", "{kind: vit, dim: 8}"])
def test_other_kinds_train_and_forecast(config_of, tmp_path: Path, model: str) -> None:
    config = config_of(model)
    preflight = check_run(config)
    assert preflight is not None
    assert preflight.costs()[0].startswith("parameters: ")
    run(config)
    kind = config.model.kind
    assert load_checkpoint(tmp_path / "run" / "checkpoint").network["kind"] == kind
    assert (tmp_path / "run" / "forecast.zarr").is_dir()


def test_a_changed_file_is_trained_again_and_a_moved_one_is_not(config_of, tmp_path: Path) -> None:
    assert run(config_of())[0] == "train: runs"
    (tmp_path / "mine.py").rename(tmp_path / "theirs.py")
    moved = "{kind: file, path: theirs.py}"
    assert run(config_of(moved))[0].startswith("train: up to date")
    with (tmp_path / "theirs.py").open("a") as file:
        file.write("\n# a remark\n")
    longer = ["pipeline=forecast", "forecast.lead_time=4 days"]
    with pytest.raises(ValueError, match=r"theirs.py: is not the file that .* was trained with"):
        run(config_of(moved, *longer))
    copy = f"{{kind: file, path: {tmp_path / 'run/checkpoint/network.py'}}}"
    run(config_of(copy, *longer))
    said = run(config_of(moved))
    assert said[0].startswith("train: runs")
    assert "network file changed" in said[0]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("def build(", "def make(", "mine.py: defines no build(…); add `def build(…): …`"),
        ("self.leave(x)", "self.leave(x)[1:]", "mine.py: the network returned (1, 3, "),
        ("self.leave(x)", "self.leave(y)", "mine.py:60: NameError: name 'y' is not defined"),
        ("input_steps: int,", "steps: int,", "mine.py: build(num_channels: int, grid: Any, "),
        ("from torch", "from tourche", "mine.py:11: ModuleNotFoundError: No module named "),
    ],
)
def test_what_is_wrong_with_it_is_said_before_training(
    config_of, before: str, after: str, line: str
) -> None:
    Path("mine.py").write_text(EXAMPLE.read_text().replace(before, after, 1))
    with pytest.raises(ConfigError) as caught:
        check_run(config_of())
    assert [found.partition("model.path: ")[2][: len(line)] for found in caught.value.lines] == [
        line
    ]


def test_what_a_config_says_of_it_must_fit(config_of) -> None:
    with pytest.raises(ConfigError, match=r"model.path: .*width=: got an unexpected keyword"):
        check_run(config_of("{kind: file, path: mine.py, options: {width: 3}}"))
    with pytest.raises(ConfigError, match=r"model.path: no such file nowhere.py; give a path from"):
        check_run(config_of("{kind: file, path: nowhere.py}"))
    with pytest.raises(ConfigError, match=r"train.domain_ranks: only model.kind: axial can be"):
        config_of("{kind: unet}", "train.domain_ranks=2")


def test_a_loss_by_file_trains_and_its_contents_count(config_of, tmp_path: Path) -> None:
    Path("my_loss.py").write_text((EXAMPLE.parent / "loss.py").read_text())
    loss = "train.loss={kind: file, path: my_loss.py, options: {width: 2.0}}"
    only = ["pipeline=train", loss]
    run(config_of("{dim: 8, depth: 1, heads: 2}", *only))
    assert run(config_of("{dim: 8, depth: 1, heads: 2}", *only))[0].startswith("train: up to date")
    text = Path("my_loss.py").read_text()
    Path("my_loss.py").write_text(text.replace("width: float", "length: float"))
    with pytest.raises(ValueError, match=r"train.loss.path: my_loss.py: .* argument 'width'"):
        check_run(config_of("{dim: 8, depth: 1, heads: 2}", *only))
    Path("my_loss.py").write_text(f"{text}\n# a remark\n")
    assert "loss file changed" in run(config_of("{dim: 8, depth: 1, heads: 2}", *only))[0]


@pytest.mark.parametrize(
    ("loss", "line"),
    [
        ("{kind: file}", "train.loss: kind: file and path belong together; give both, or neither"),
        ("{path: a.py}", "train.loss: kind: file and path belong together; give both, or neither"),
        (
            "{options: {a: 1}}",
            "train.loss: options: are of kind: file, not of auto; leave them out",
        ),
        (
            "{kind: file, path: a.py, blocks: [4]}",
            "train.loss: kind: file is the whole loss; leave",
        ),
    ],
)
def test_keys_of_a_loss_belong_together(config_of, loss: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of("{dim: 8, heads: 2}", f"train.loss={loss}")
    assert line in caught.value.lines[0]


def test_scores_and_baselines_by_file_are_in_the_table(config_of) -> None:
    for name in ("score", "baseline"):
        Path(f"my_{name}.py").write_text((EXAMPLE.parent / f"{name}.py").read_text())
    own = [
        "verify={metrics: [rmse, my_score.py], baselines: [my_baseline.py, persistence]}",
        "verify.harmonics=0",
    ]
    line = "pipeline=[train,forecast,verify]"
    model = "{dim: 8, depth: 1, heads: 2}"
    run(config_of(model, line, *own))
    scores = xr.load_dataset("run/scores.nc")["mean_sea_level_pressure"]
    assert scores["model"].values.tolist() == ["forecast", "my_baseline", "persistence"]
    assert scores["metric"].values.tolist() == ["rmse", "my_score"]
    assert np.isfinite(scores.sel(region="all")).all()
    page = Path("run/report.html").read_text()
    assert re.search(r"<th[^>]*>my score</th>", page)
    assert re.search(r"<t[hd][^>]*>my_baseline</t[hd]>", page)
    assert run(config_of(model, line, *own))[2].startswith("verify: up to date")
    with Path("my_score.py").open("a") as file:
        file.write("\n# a remark\n")
    assert "own files.my_score.py changed" in run(config_of(model, line, *own))[2]


@pytest.mark.parametrize(
    ("verify", "line"),
    [
        ("{metrics: [rmse, a.py]}", "verify.metrics: no such file a.py; give a path from here or"),
        ("{baselines: [a.py]}", "verify.baselines: no such file a.py; give a path from here or "),
        ("{metrics: [rmse, mine.py]}", "verify.metrics.1: mine.py: defines no statistic(…); add"),
        ("{baselines: [mine.py]}", "verify.baselines.0: mine.py: defines no fit(…); add `def fit"),
        ("{metrics: [rsme]}", "verify.metrics.0: got 'rsme', expected rmse, mae, bias, acc, crps,"),
        ("{metrics: [rmse, rmse.py]}", "verify.metrics.1: got 'rmse.py': rmse is ours; give the "),
        ("{metrics: [rmse, a.py, b/a.py]}", "verify.metrics: a.py and b/a.py are both a; name it "),
    ],
)
def test_what_verify_names_is_there_and_is_such(config_of, verify: str, line: str) -> None:
    pipeline = "pipeline=[train,forecast,verify]"
    with pytest.raises(ValueError) as caught:
        check_run(
            config_of("{dim: 8, heads: 2}", pipeline, f"verify={verify}", "verify.harmonics=0")
        )
    assert line in str(caught.value)


def test_it_starts_from_one_of_another_file(config_of, tmp_path: Path) -> None:
    """A file with one layer more takes the others over; they keep their weights where asked to."""
    run(config_of())
    begin = "        super().__init__()\n"
    longer = EXAMPLE.read_text().replace(begin, f"{begin}        self.more = nn.Linear(2, 3)\n", 1)
    Path("more.py").write_text(longer)
    parent = load_checkpoint("run/checkpoint").weights
    more = "train.start_from=run", "output=tuned", "train.freeze=[enter]", "pipeline=train"
    run(config_of("{kind: file, path: more.py}", *more))
    child = load_checkpoint("tuned/checkpoint").weights
    assert child.keys() - parent.keys() == {f"body.network.more.{n}" for n in ("weight", "bias")}
    kept = [name for name in parent if torch.equal(parent[name], child[name])]
    assert {name for name in parent if ".enter." in name} <= set(kept)
    with pytest.raises(ConfigError, match="is no part of this network, expected some of"):
        run(config_of("{kind: file, path: more.py}", *more[:2], "train.freeze=[head]"))
