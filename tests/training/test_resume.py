"""Stopped anywhere and run again, a training ends as if nobody had touched it."""

import json
import runpy
from pathlib import Path

import pytest
import torch

from axialcast.run.stages import run_stages

STEPS = 13
STREAMED = "data.buffer_gib=4.05e-5"


def last_state(output):
    folder = output / "states" / f"{STEPS:08d}"
    description = json.loads((folder / "state.json").read_text())
    description.pop("seconds"), description.pop("log"), description.pop("beside")
    return description, (folder / "tensors.safetensors").read_bytes()


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.reversible=true"],
        ["model.reversible=false", STREAMED],
        pytest.param(["model.reversible=false"], marks=pytest.mark.slow),
        pytest.param(["model.reversible=true", STREAMED], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_stopped_at_any_step(runner, entries, tmp_path, capsys, overrides):
    """In an epoch and at its end (5, 12), in a stage and at its end (7), after validation (4)."""
    runner.stopped_at(STEPS, tmp_path / "reference", *overrides)
    whole = last_state(tmp_path / "reference")
    for step in range(1, STEPS):
        output = tmp_path / str(step)
        stopped = runner.stopped_at(step, output, *overrides)
        assert stopped.status == 143
        assert str(stopped) == (
            f"train: stopped by SIGTERM, saved at step {step}; run again to go on"
        )
        capsys.readouterr()
        runner.stopped_at(STEPS, output, *overrides)
        assert f"train: goes on from step {step}\n" in capsys.readouterr().out
        assert last_state(output) == whole
        assert entries(output) == entries(tmp_path / "reference")


def test_stopped_at_every_step_in_turn(runner, reference, same, tmp_path):
    for step in range(1, STEPS + 1):
        runner.stopped_at(step, tmp_path)
    runner(tmp_path)
    same(tmp_path, reference)


def test_streamed_windows_come_in_an_order_of_their_own(runner, reference, tmp_path):
    """So that the test above compares what it says."""
    runner(tmp_path, STREAMED)
    one, other = (p / "checkpoint" / "weights.safetensors" for p in (tmp_path, reference))
    assert one.read_bytes() != other.read_bytes()


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("seed=7", "seed was 0, is 7"),
        ("model.dim=16", "model.dim was 8, is 16"),
        ("train.learning_rate=0.5", "train.learning_rate was 0.01, is 0.5"),
        ("data.input_steps=3", "data.input_steps was 2, is 3"),
    ],
)
def test_a_state_of_another_config(runner, tmp_path, override, told):
    runner.stopped_at(4, tmp_path)
    with pytest.raises(ValueError) as error:
        runner(tmp_path, override)
    assert str(error.value) == (
        f"{tmp_path / 'states' / '00000004'}: belongs to another training: {told}; "
        "set it back, or run with --force to start over"
    )
    assert (tmp_path / "states" / "00000004").is_dir()


def test_keys_that_decide_nothing(runner, reference, same, tmp_path):
    runner.stopped_at(4, tmp_path)
    runner(
        tmp_path,
        "data.buffer_gib=0.5",
        "data.test=[2001-02-22,2001-02-28]",
        "train.save_every=1 step",
        "train.keep_states=5",
    )
    same(tmp_path, reference)


def test_a_state_of_other_data(runner, make_analysis, tmp_path):
    path = tmp_path / "analysis.nc"
    make_analysis(num_times=60).to_netcdf(path)
    runner._replace(store=path).stopped_at(4, tmp_path)
    make_analysis(num_times=60, seed=1).to_netcdf(tmp_path / "other.nc")
    (tmp_path / "other.nc").replace(path)
    with pytest.raises(ValueError, match="belongs to another training: store changed; set it back"):
        runner._replace(store=path)(tmp_path)


def test_a_state_of_another_program(runner, pipeline, tmp_path):
    program = tmp_path / "train.py"
    program.write_text(Path(pipeline.__code__.co_filename).read_text())
    mine = runner._replace(pipeline=runpy.run_path(str(program))["run"])
    mine.stopped_at(4, tmp_path)
    program.write_text(program.read_text() + "# changed\n")
    with pytest.raises(ValueError, match="another training: program changed; set it back"):
        mine(tmp_path)


def test_a_buffer_that_changes_the_order(runner, tmp_path):
    runner.stopped_at(4, tmp_path, STREAMED)
    with pytest.raises(ValueError) as error:
        runner(tmp_path)
    assert "windows would come in another order: data.buffer_gib was 4.05e-05, is 1.0" in str(
        error.value
    )
    assert "set it back, or run with --force to start over" in str(error.value)


def test_another_machine_is_told(runner, tmp_path, capsys, monkeypatch):
    runner.stopped_at(4, tmp_path)
    threads = torch.get_num_threads()
    monkeypatch.setattr("torch.get_num_threads", lambda: 99)
    runner(tmp_path)
    told = capsys.readouterr().out
    assert f"torch.threads was {threads}, is 99: the same to rounding, not to the bit\n" in told


def test_force_starts_over_and_the_end_leaves_no_states(runner, reference, same, tmp_path, capsys):
    config = runner.config(tmp_path, "train.save_every=2")
    runner.stopped_at(4, tmp_path, "train.save_every=2")
    run_stages(config, force=True)
    assert "goes on" not in capsys.readouterr().out
    same(tmp_path, reference)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        ".fitted",
        ".stages",
        "checkpoint",
        "config.yaml",
        "log.jsonl",
    ]
    run_stages(config)
    assert "train: up to date, skipped" in capsys.readouterr().out
