"""A checkpoint whose network a user's file builds runs that file only where it is named."""

import json
from pathlib import Path

import pytest
import torch

import axialcast
from axialcast.forecast import Checkpoint, load_checkpoint, save_checkpoint
from axialcast.model import ForecastNetwork
from axialcast.names import PROGNOSTIC
from axialcast.own import OwnFile
from axialcast.run.inspection import describe

PROGRAM = """
from pathlib import Path
from torch import nn

RAN = Path({ran!r})
RAN.write_text("x" * (1 + RAN.exists()))


class Net(nn.Module):
    def __init__(self, given, made):
        super().__init__()
        self.lift = nn.Linear(given, made)

    def forward(self, fields):
        return self.lift(fields[:, -1].movedim(1, -1)).movedim(-1, 1)


def build(num_channels, grid, *, num_outputs, input_steps, width=1):
    return Net(num_channels, num_outputs)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "mine" / "my_network.py"
    path.parent.mkdir()
    path.write_text(PROGRAM.format(ran=str(tmp_path / "ran")))
    return path


@pytest.fixture
def saved(forecaster, program: Path, tmp_path: Path) -> tuple[Path, Checkpoint]:
    """A checkpoint of such a network, and what was saved."""
    ours, file = forecaster.checkpoint, OwnFile.read(program)
    settings = {"input_steps": 2, "kind": "file", "path": str(program), "options": {"width": 3}}
    network = ForecastNetwork(
        **ours.channels.numbers,
        grid=ours.grid,
        increment_scale=ours.statistics[ours.channels.where(PROGNOSTIC)].increment_scale.tolist(),
        **settings,
    )
    theirs = {"weights": network.state_dict(), "network": settings, "file": file}
    checkpoint = Checkpoint(**{**vars(ours), **theirs})
    save_checkpoint(tmp_path / "checkpoint", checkpoint)
    (tmp_path / "ran").unlink()
    return tmp_path / "checkpoint", checkpoint


def forget(program: Path) -> None:
    """As in another process: the file has not run."""
    import sys

    for name in [name for name in sys.modules if name.startswith("axialcast_own_")]:
        del sys.modules[name]


def test_it_is_known_by_its_contents_and_a_copy_is_kept(saved, program: Path) -> None:
    folder, checkpoint = saved
    network = json.loads((folder / "model.json").read_text())["network"]
    assert network == {
        "input_steps": 2,
        "kind": "file",
        "options": {"width": 3},
        "file": "my_network.py",
        "sha256": checkpoint.file.sha256,
    }
    assert (folder / "network.py").read_bytes() == program.read_bytes()
    assert str(program.parent) not in (folder / "model.json").read_text()


def test_nothing_runs_unless_it_is_named(saved, program: Path, tmp_path: Path) -> None:
    folder, _ = saved
    forget(program)
    loaded = load_checkpoint(folder)
    lines = describe(folder)
    assert any("built by: a file of SHA-256" in line for line in lines)
    for build in (loaded.build, lambda: axialcast.load(folder, device="cpu")):
        with pytest.raises(ValueError, match=r"built by my_network.py, .* only if you name it"):
            build()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("copied", [False, True])
def test_where_it_is_named_forecasts_are_the_same(
    saved, program: Path, analysis, tmp_path: Path, copied: bool
) -> None:
    folder, checkpoint = saved
    forget(program)
    named = folder / "network.py" if copied else program
    built = load_checkpoint(folder, network=named).build()
    assert (tmp_path / "ran").exists()
    theirs = checkpoint.build().state_dict()
    assert all(torch.equal(theirs[name], value) for name, value in built.state_dict().items())
    forecast = axialcast.load(folder, network=named, device="cpu").predict(
        analysis, init_times=analysis["time"].values[3:5], lead_times="2 days"
    )
    assert forecast.sizes["init_time"] == 2


def test_another_file_is_refused(saved, program: Path, forecaster, tmp_path: Path) -> None:
    folder, _ = saved
    program.write_text(program.read_text() + "\n# a remark\n")
    with pytest.raises(ValueError, match=r"is not the file that .* name the copy .*network\.py"):
        load_checkpoint(folder, network=program)
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_checkpoint(folder, network=tmp_path / "nowhere.py")
    save_checkpoint(tmp_path / "ours", forecaster.checkpoint)
    with pytest.raises(ValueError, match=r"its network is axial, built by no file of yours"):
        load_checkpoint(tmp_path / "ours", network=program)


def test_a_file_that_builds_another_network_does_not_fit(saved, forecaster, program: Path) -> None:
    """Not of the file's own contents, which are known, but of a library's that it uses."""
    folder, checkpoint = saved
    weights = {n: w[:1] if "lift" in n else w for n, w in checkpoint.weights.items()}
    save_checkpoint(folder, Checkpoint(**{**vars(checkpoint), "weights": weights}))
    with pytest.raises(ValueError, match=r"describes another network .* body\.network\.lift"):
        load_checkpoint(folder, network=program)


def test_the_copy_goes_with_its_network(saved, forecaster) -> None:
    folder, _ = saved
    save_checkpoint(folder, forecaster.checkpoint)
    assert not (folder / "network.py").exists()
    (folder / "network.py").write_text("mine")
    save_checkpoint(folder, forecaster.checkpoint)
    assert (folder / "network.py").read_text() == "mine"
