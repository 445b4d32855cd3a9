"""Members are the networks that they would be alone, wherever the training was stopped."""

import json

import pytest
import torch

from axialcast.forecast import load_checkpoint
from axialcast.training import member_seed, newest_state

STEPS = 13
SMALL = "model={dim: 8, depth: 1, heads: 2, dropout: 0.2}"
WEIGHTS = ("weights.safetensors", "weights.1.safetensors", "weights.2.safetensors")


@pytest.fixture(scope="module")
def three(runner, tmp_path_factory):
    """The output of three members that nobody touched."""
    output = tmp_path_factory.mktemp("three")
    runner(output, SMALL, "train.members=3")
    return output


def test_members_are_trainings_of_their_own_seeds(runner, entries, three, tmp_path):
    for member in range(3):
        alone = tmp_path / str(member)
        runner(alone, SMALL, f"seed={member_seed(0, member)}")
        found = (three / "checkpoint" / WEIGHTS[member]).read_bytes()
        assert found == (alone / "checkpoint" / WEIGHTS[0]).read_bytes()
        own = [entry for entry in entries(three) if entry.pop("member") == member]
        assert own == entries(alone)


def test_a_checkpoint_holds_them_all(three):
    checkpoint = load_checkpoint(three / "checkpoint")
    assert len(checkpoint.members) == 3
    heads = [checkpoint.build(member).state_dict()["body.head.project.weight"] for member in (0, 1)]
    assert not torch.equal(*heads)
    (three / "checkpoint" / WEIGHTS[2]).rename(three / "gone")
    with pytest.raises(ValueError, match=r"weights\.2\.safetensors.*train again"):
        load_checkpoint(three / "checkpoint")
    (three / "gone").rename(three / "checkpoint" / WEIGHTS[2])


@pytest.mark.parametrize("steps", [(5, 13, 14, 33), (26,), (38, 39)], ids=str)
def test_stopped_anywhere_it_goes_on(runner, three, entries, tmp_path, capsys, steps):
    """Within a member, at its end, and at the very end."""
    for step in steps:
        stopped = runner.stopped_at(step, tmp_path, SMALL, "train.members=3")
        assert f"saved at step {step}; run again" in str(stopped)
        state = newest_state(tmp_path / "states", tmp_path / "log.jsonl")
        assert (state.member, state.step - 1) == divmod(step - 1, STEPS)
        assert len(state.finished()) == state.member
    capsys.readouterr()
    runner(tmp_path, SMALL, "train.members=3")
    last = (steps[-1] - 1) % STEPS + 1
    assert f"train: goes on from step {last}" in capsys.readouterr().out
    assert entries(tmp_path) == entries(three)
    for name in (*WEIGHTS, "model.json"):
        path = f"checkpoint/{name}"
        assert (tmp_path / path).read_bytes() == (three / path).read_bytes()


def test_fewer_members_leave_no_weights_behind(runner, three, tmp_path):
    runner(tmp_path, SMALL, "train.members=2")
    assert (tmp_path / "checkpoint" / WEIGHTS[1]).is_file()
    for path in (tmp_path / "states").glob("*"):
        path.rename(tmp_path / path.name)
    runner(tmp_path, SMALL)
    assert not (tmp_path / "checkpoint" / WEIGHTS[1]).exists()
    assert json.loads((tmp_path / "checkpoint" / "model.json").read_text())["members"] == 1


def test_seeds_of_neighbouring_runs_are_apart():
    seeds = [member_seed(seed, member) for seed in range(40, 60) for member in range(50)]
    assert len(set(seeds)) == 1000
    assert member_seed(7, 0) == 7
    assert member_seed(2**32 - 1, 1) == 999
