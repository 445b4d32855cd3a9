"""A checkpoint is its two files, whole and belonging together; what else is there stays."""

import json
import os
import shutil

import numpy as np
import pytest
import torch

from axialcast.files import atomic, inventory
from axialcast.forecast import Checkpoint, load_checkpoint, save_checkpoint

FILES = ["model.json", "weights.safetensors"]


@pytest.fixture
def checkpoint(forecaster):
    return forecaster.checkpoint


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def changed(checkpoint, by=1.0):
    weights = {name: value + by for name, value in checkpoint.weights.items()}
    return Checkpoint(**{**vars(checkpoint), "weights": weights, "provenance": {"seed": 7}})


def test_saved_and_loaded(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "a" / "checkpoint", checkpoint)
    loaded = load_checkpoint(tmp_path / "a" / "checkpoint")
    assert loaded.weights.keys() == checkpoint.weights.keys()
    for name, value in checkpoint.weights.items():
        assert torch.equal(loaded.weights[name], value)
    assert loaded.channels == checkpoint.channels
    assert loaded.step == checkpoint.step
    np.testing.assert_array_equal(loaded.grid.latitude, checkpoint.grid.latitude)
    assert names(tmp_path / "a" / "checkpoint") == [".inventory", *FILES]
    assert names(tmp_path / "a") == ["checkpoint"]
    assert inventory.problems(tmp_path / "a" / "checkpoint", read_all=True) == []


def test_files_of_others_stay(checkpoint, tmp_path):
    save_checkpoint(tmp_path, checkpoint)
    (tmp_path / "mine.txt").write_text("mine")
    save_checkpoint(tmp_path, changed(checkpoint))
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert names(tmp_path) == [".inventory", "mine.txt", *FILES]
    assert set(inventory.read(tmp_path)) == set(FILES)
    assert load_checkpoint(tmp_path).provenance == {"seed": 7}


@pytest.mark.parametrize("name", [*FILES, ".inventory/files.json"])
@pytest.mark.parametrize("damage", ["flipped", "short"])
def test_damage_is_named(checkpoint, tmp_path, name, damage):
    save_checkpoint(tmp_path, checkpoint)
    path = tmp_path / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data if damage == "flipped" else data[:-3])
    with pytest.raises(ValueError, match=f"{path}: .*: the checkpoint is damaged; train again"):
        load_checkpoint(tmp_path)


def test_the_checkpoint_of_a_run_is_named(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "checkpoint", checkpoint)
    with pytest.raises(FileNotFoundError, match=f"; one is in {tmp_path / 'checkpoint'}$"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_half_a_checkpoint_is_none(checkpoint, tmp_path, name):
    save_checkpoint(tmp_path, checkpoint)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}: no checkpoint there"):
        load_checkpoint(tmp_path)


def test_one_of_version_0_1_0_has_no_inventory(checkpoint, tmp_path):
    save_checkpoint(tmp_path, checkpoint)
    shutil.rmtree(tmp_path / ".inventory")
    assert load_checkpoint(tmp_path).channels == checkpoint.channels


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("event", [1, 2])
def test_a_mixture_is_never_loaded(checkpoint, tmp_path, monkeypatch, event, legacy):
    """Killed before the second, third, … file is moved into place over an older checkpoint."""
    save_checkpoint(tmp_path, changed(checkpoint, 2.0))
    if legacy:
        shutil.rmtree(tmp_path / ".inventory")
    replace, moves = os.replace, []

    class Killed(BaseException):
        pass

    def replace_some(self, target):
        moves.append(target)
        if len(moves) > event + legacy:
            raise Killed
        replace(self, target)

    monkeypatch.setattr(atomic.Path, "replace", replace_some)
    with pytest.raises(Killed):
        save_checkpoint(tmp_path, checkpoint)
    with pytest.raises(ValueError, match="the checkpoint is damaged; train again"):
        load_checkpoint(tmp_path)
    monkeypatch.undo()
    save_checkpoint(tmp_path, checkpoint)
    assert load_checkpoint(tmp_path).provenance == checkpoint.provenance


def cut(numbers):
    return numbers[:-1]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d.pop("channels"), "model.json: damaged, it lacks channels"),
        (lambda d: d.pop("format"), "model.json: damaged, it lacks format"),
        (lambda d: d.update(format=7), "checkpoint format 7, this version reads 1 to 3; install"),
        (lambda d: d.update(channels=[]), r"statistics.mean: holds \d values for 0 channels"),
        (lambda d: d.update(channels=[{"a": 1}]), "does not describe a network"),
        (lambda d: d["channels"].pop(), r"statistics.mean: holds (\d) values for \d channels"),
        (
            lambda d: d["statistics"].update(std=cut(d["statistics"]["std"])),
            "statistics.std: holds",
        ),
        (lambda d: d["statistics"]["std"].insert(0, 0.0), "statistics.std: "),
        (lambda d: d["statistics"].update(increment_std=[0.0] * 99), "statistics.increment_std: "),
        (
            lambda d: d["statistics"]["mean"].__setitem__(0, float("nan")),
            "statistics.mean: expected",
        ),
        (lambda d: d["statistics"].update(nosuch=[1.0]), "does not describe a network"),
        (lambda d: d["network"].update(depth=9), "another network than weights.safetensors: "),
        (lambda d: d["network"].update(nosuch=1), "does not describe a network"),
        (lambda d: d.update(network=None), "does not describe a network"),
        (lambda d: d.update(grid=5), "does not describe a network"),
        (lambda d: d["grid"].update(latitude=[1.0, 2.0]), "another network than weights.safe"),
        (lambda d: d.update(step_hours=0), "step_hours: expected a positive step"),
        (lambda d: d.update(step_hours=1e400), "does not describe a network"),
        (lambda d: d.update(provenance=None), "does not describe a network"),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_name(checkpoint, tmp_path, change, problem):
    """As edited by hand, or put together of two: no checksum tells."""
    save_checkpoint(tmp_path, checkpoint)
    shutil.rmtree(tmp_path / ".inventory")
    description = json.loads((tmp_path / "model.json").read_text())
    change(description)
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match=problem) as caught:
        load_checkpoint(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_refused(checkpoint, tmp_path):
    save_checkpoint(tmp_path, changed(checkpoint, by=float("nan")))
    with pytest.raises(ValueError, match=r"weights.safetensors holds numbers that are not finite"):
        load_checkpoint(tmp_path)
