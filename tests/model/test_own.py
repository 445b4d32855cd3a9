"""A network by file is given place and time, and is tried out before it is trained."""

from pathlib import Path

import pytest
import torch

from axialcast.grid import LatLonGrid
from axialcast.model.embedding import SpherePlanes
from axialcast.model.own import OwnBody
from axialcast.own import OwnFile

EXAMPLES = Path(__file__).parents[2] / "examples"
GRID = LatLonGrid.regular(num_latitudes=5, num_longitudes=12, poles=False)
PRELUDE = """import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, n, c):
        super().__init__()
        self.lift = nn.Linear(n, c)

    def forward(self, fields):
        x = self.lift(fields[:, -1].movedim(1, -1)).movedim(-1, 1)
        return {result}

def build(num_channels, grid, *, num_outputs, input_steps, **options):
    return {built}
"""


def body_of(
    tmp_path: Path, result: str = "x", built: str = "Net(num_channels, num_outputs)", **settings
) -> OwnBody:
    path = tmp_path / "mine.py"
    path.write_text(PRELUDE.format(result=result, built=built))
    return OwnBody(3, GRID, num_outputs=2, input_steps=2, path=path, **settings)


def test_it_is_told_fields_then_place_and_time(tmp_path: Path) -> None:
    body = body_of(tmp_path, "fields[:, -1] + 0 * x.sum()", "Net(num_channels, 13)")
    body.num_outputs = 13
    fields, dates = torch.randn(4, 2, 3, 5, 12), torch.rand(4, 2, 5)
    out = body(fields, dates)
    torch.testing.assert_close(out[:, :3], fields[:, -1])
    planes = SpherePlanes(GRID)(dates[..., :2])[:, -1]
    torch.testing.assert_close(out[:, 3:], planes.movedim(-1, 1))


def test_a_network_that_fits_is_left_as_it_was(tmp_path: Path) -> None:
    body = body_of(tmp_path)
    before = {name: tensor.clone() for name, tensor in body.state_dict().items()}
    state = torch.get_rng_state()
    body.try_out()
    assert torch.equal(torch.get_rng_state(), state)
    assert body.training
    assert all(torch.equal(before[name], t) for name, t in body.state_dict().items())


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (
            "x[:, :, 1:]",
            ": the network returned (2, 2, 4, 12) for (2, 2, 13, 5, 12), expected (2, ",
        ),
        ("x / 0", ": of standard normal numbers the network gives NaN or infinity"),
        ("(x, x)", ": the network returned tuple for "),
        ("x.detach()", ": what the network gives follows from no parameter"),
        ("x - x.mean(0)", ": in evaluation mode, what the network gives for one window depends on"),
        ("x @ x", ":11: RuntimeError: Expected size"),
        (
            "torch.sqrt(x - x)",
            ": of standard normal numbers the network gives NaN or infinity, or ",
        ),
    ],
)
def test_a_network_that_does_not(tmp_path: Path, result: str, line: str) -> None:
    body = body_of(tmp_path, result)
    with pytest.raises(ValueError) as caught:
        body.try_out()
    assert str(caught.value).removeprefix(str(body.file.path))[: len(line)] == line


@pytest.mark.parametrize(
    ("built", "settings", "line"),
    [
        ("None", {}, "build returned NoneType, expected a torch.nn.Module"),
        ("Net(options['dim'], 2)", {}, "mine.py:14: KeyError: 'dim'"),
        ("nn.ParameterList([torch.ones(3) * 1j])", {}, "0 is complex"),
        ("Net(1, 2)", {"options": {"grid": 3}}, "options: grid follows from the data"),
        ("Net(1, 2)", {"sha256": "0" * 64}, "expected 000000000000: it is not the file"),
    ],
)
def test_what_does_not_build(tmp_path: Path, built: str, settings: dict, line: str) -> None:
    with pytest.raises(ValueError) as caught:
        body_of(tmp_path, built=built, **settings)
    assert line in str(caught.value)


def test_options_reach_it_and_a_file_is_known_by_its_contents(tmp_path: Path) -> None:
    body = body_of(tmp_path, built="Net(num_channels, options['c'])", options={"c": 2})
    assert body.file.sha256 == OwnFile.read(tmp_path / "mine.py").sha256
    assert body_of(tmp_path, built="Net(num_channels, options['c'])", options={"c": 2},
                   sha256=body.file.sha256).network.lift.weight.shape == (2, 13)  # fmt: skip


@pytest.mark.parametrize("rows", [slice(None), slice(1, 4)])
def test_the_example_runs(rows: slice) -> None:
    grid = GRID.part(rows, slice(None) if rows == slice(None) else slice(2, 9))
    body = OwnBody(3, grid, num_outputs=2, input_steps=2, path=EXAMPLES / "network.py",
                   options={"dim": 8, "depth": 3})  # fmt: skip
    body.try_out()
    out = body(torch.randn(1, 2, 3, *grid.shape), torch.rand(1, 2, 5))
    assert not out.any()


def test_it_cannot_be_shared_by_latitudes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"only model\.kind: axial can be shared by latitudes"):
        body_of(tmp_path).share(None)
