"""A saved state counts only while every byte of it, and of the log before it, is there."""

import errno
import os

import pytest
from safetensors.torch import load_file

from axialcast.files import inventory
from axialcast.training import newest_state

FILES = ("tensors.safetensors", "state.json", ".inventory/files.json")


@pytest.fixture
def saved(runner, tmp_path):
    """An output with the states of steps 4 and 6."""
    runner.stopped_at(6, tmp_path, "train.save_every=2 steps")
    assert sorted(p.name for p in (tmp_path / "states").iterdir()) == ["00000004", "00000006"]
    return tmp_path


def newest(output):
    return newest_state(output / "states", output / "log.jsonl")


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_what_a_state_is(saved):
    state = newest(saved)
    assert (state.step, state.position["stage"]) == (6, 0)
    assert (state.position["loader"]["epoch"], state.position["loader"]["batch"]) == (1, 1)
    names = set(load_file(state.path / FILES[0]))
    assert {"random.cpu", "averaged.n_averaged", "network.increment_scale"} <= names
    weights = {name.removeprefix("network.") for name in names if name.startswith("network.")}
    assert {f"averaged.module.{name}" for name in weights} <= names
    assert "optimizer.body.head.project.weight.exp_avg_sq" in names
    assert inventory.problems(state.path, read_all=True) == []
    assert state.mark[0] == (saved / "log.jsonl").stat().st_size


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9])
def test_a_flipped_bit(saved, capsys, name, share):
    path = saved / "states" / "00000006" / name
    flip(path, int(share * path.stat().st_size))
    assert newest(saved).step == 4
    warning = capsys.readouterr().err
    assert str(path) in warning
    assert warning.endswith("; an older state\n")
    assert warning.count("\n") == 1


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_or_gone(saved, capsys, name):
    path = saved / "states" / "00000006" / name
    path.write_bytes(path.read_bytes()[:-10])
    assert newest(saved).step == 4
    path.unlink()
    assert newest(saved).step == 4
    assert capsys.readouterr().err.count(str(path.parent)) == 2


def test_none_is_whole(saved, capsys, runner, reference, same):
    for step in ("00000004", "00000006"):
        flip(saved / "states" / step / "tensors.safetensors", 1000)
    runner(saved, "train.save_every=100 steps")
    told = capsys.readouterr()
    assert "starts over" in told.err.splitlines()[1]
    assert "goes on" not in told.out
    assert list((saved / "states").iterdir()) == []
    same(saved, reference)


def test_goes_on_from_the_one_before(saved, capsys, runner, reference, same):
    flip(saved / "states" / "00000006" / "state.json", 50)
    stopped = runner.stopped_at(5, saved, "train.save_every=2 steps")
    assert "goes on from step 4" in capsys.readouterr().out
    assert "saved at step 5" in str(stopped)
    assert sorted(p.name for p in (saved / "states").iterdir()) == ["00000004", "00000005"]
    runner(saved)
    same(saved, reference)


@pytest.mark.parametrize("damage", ["lost", "short", "flipped"])
def test_a_log_that_lacks_lines(saved, capsys, runner, reference, same, damage):
    log = saved / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    if damage == "lost":
        log.unlink()
    elif damage == "short":
        log.write_bytes(b"".join(lines[:5]) + lines[5][:-1])
    else:
        flip(log, len(b"".join(lines[:4])) + 3)
    state = newest(saved)
    assert (state and state.step) == (None if damage == "lost" else 4)
    assert f"{log}: lacks lines up to step 6, which " in capsys.readouterr().err
    runner(saved)
    same(saved, reference)


def test_lines_behind_a_state_are_cut_off(saved, runner, reference, same):
    with (saved / "log.jsonl").open("ab") as log:
        log.write(b'{"step": 7, "loss": 1}\n{"step": 8, "lo')
    runner(saved)
    same(saved, reference)


def test_what_others_left_between_the_states(saved, runner):
    mine = saved / "states" / "notes.txt"
    mine.write_text("mine")
    dead = saved / "states" / ".00000008.nowhere-1-1-0000.partial"
    dead.mkdir()
    runner(saved, "train.save_every=1", "train.keep_states=1")
    assert mine.read_text() == "mine"
    names = {p.name for p in (saved / "states").iterdir()}
    assert names - {dead.name} == {"00000013", "notes.txt"}


def test_another_format_is_refused(saved):
    folder = saved / "states" / "00000006"
    path = folder / "state.json"
    path.write_text(path.read_text().replace('"format": 3', '"format": 4'))
    inventory.write(folder, inventory.take(folder))
    with pytest.raises(ValueError) as error:
        newest(saved)
    assert str(error.value) == (
        f"{folder}: format 4, this version reads 3; run with --force to start over"
    )


@pytest.mark.parametrize("filename", [None, "tensors.safetensors"])
def test_a_disk_that_cannot_be_read(saved, capsys, monkeypatch, filename):
    """What its bad blocks took counts as damaged; what the user can mend is told."""
    broken, problems = saved / "states" / "00000006", inventory.problems

    def fail(path, *, read_all):
        if path == broken:
            raise OSError(number, os.strerror(number), filename)
        return problems(path, read_all=read_all)

    monkeypatch.setattr(inventory, "problems", fail)
    number = errno.EIO
    assert newest(saved).step == 4
    assert capsys.readouterr().err == (
        f"train: {filename or broken}: cannot be read (Input/output error); an older state\n"
    )
    number = errno.EACCES
    with pytest.raises(PermissionError):
        newest(saved)
