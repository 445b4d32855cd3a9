"""A loss by file costs each cell, and is tried out before anything is trained on it."""

from pathlib import Path

import pytest
import torch

from axialcast.model.loss import Loss, area_weighted_mse
from axialcast.model.own_loss import OwnCells
from axialcast.own import OwnFile

EXAMPLE = Path(__file__).parents[2] / "examples" / "loss.py"


def loss_of(tmp_path: Path, returned: str, **options: object) -> OwnCells:
    path = tmp_path / "my_loss.py"
    path.write_text(f"import torch\ndef loss(forecast, target, power=2):\n    return {returned}\n")
    return OwnCells(OwnFile.read(path), options)


@pytest.mark.parametrize("has_gaps", [False, True])
def test_squares_by_file_are_the_squared_error(tmp_path: Path, has_gaps: bool) -> None:
    own = Loss((loss_of(tmp_path, "(forecast[0] - target) ** power", power=2),), (1.0,))
    forecast, target = torch.randn(2, 3, 2, 5, 7, 11)
    valid = torch.rand(3, 2, 5, 7, 11) > 0.3 if has_gaps else None
    about = {"area_weights": torch.rand(7, 11) + 0.5, "scale": torch.rand(5, 1, 1) + 0.5}
    if valid is not None:
        target[~valid] = torch.nan
    upper = own.upper(forecast[None], target, valid=valid, **about)
    lower = own.lower(target.shape, area_weights=about["area_weights"], valid=valid)
    want = area_weighted_mse(forecast, target, valid=valid, **about)
    torch.testing.assert_close(own.value(upper, lower), want)


@pytest.mark.parametrize(
    ("returned", "line"),
    [
        (
            "(forecast[0] - target).square().mean()",
            ": loss returned (), expected the cost of each ",
        ),
        ("forecast - target", ": loss returned (1, 2, 3, 2, 5, 7), expected the cost of each cell"),
        ("target", ": loss follows from no forecast"),
        ("(forecast[0] - target) / 0", ": of normal numbers, loss or its gradient is NaN or"),
        ("torch.sqrt(forecast[0] * 0)", ": of normal numbers, loss or its gradient is NaN or"),
        ("forecast[0] - forecast[0].mean(0)", ": what loss says of one window depends on the"),
        ("forecast.nothing", ":3: AttributeError: 'Tensor' object has no attribute"),
    ],
)
def test_what_is_no_loss_is_said(tmp_path: Path, returned: str, line: str) -> None:
    own = loss_of(tmp_path, returned)
    with pytest.raises(ValueError) as caught:
        own.try_out(1)
    assert str(caught.value).removeprefix(str(own.file.path))[: len(line)] == line


def test_options_that_it_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"loss\(forecast, target, power=2\), given 2 arguments, w"
    ):
        loss_of(tmp_path, "(forecast[0] - target) ** 2", width=3).try_out(1)


@pytest.mark.parametrize("members", [1, 3])
def test_the_example_is_hubers_loss(members: int) -> None:
    own = OwnCells(OwnFile.read(EXAMPLE), {"width": 0.5})
    own.try_out(members)
    forecast, target = torch.randn(1, 2, 1, 3, 5, 7), torch.randn(2, 1, 3, 5, 7)
    want = torch.nn.functional.huber_loss(forecast[0], target, reduction="none", delta=0.5)
    torch.testing.assert_close(own.cost(forecast, target), want)
