"""The transformers: one function in two modes, drop-in values, rolls, resolutions, short axes."""

import copy
import itertools

import axial_attention as original
import pytest
import torch
from torch import Tensor

from axialcast.nn import AxialImageTransformer, AxialTransformer

POSITIONS = ("learned", "sinusoidal", "rotary", "relative", "none")


def results(module: torch.nn.Module, x: Tensor) -> list[Tensor | None]:
    module.zero_grad()
    x = x.clone().requires_grad_()
    torch.manual_seed(3)
    out = module(x)
    (out * torch.linspace(-1, 1, out.numel(), dtype=x.dtype).view_as(out)).sum().backward()
    return [out, x.grad, *(p.grad for p in module.parameters())]


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("axes", [(5,), (3, 5), (2, 3, 5)])
def test_reversible_is_the_plain_network(position: str, axes: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    module = AxialTransformer(
        12, 3, num_dimensions=len(axes), heads=3, shape=axes, position=position, dropout=0.2
    ).double()
    plain = copy.deepcopy(module)
    plain.layers.reversible = False
    x = torch.randn(2, *axes, 12, dtype=torch.float64)
    for want, got in zip(results(plain, x), results(module, x), strict=True):
        assert want is not None
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


def test_float32_gradients_agree() -> None:
    torch.manual_seed(0)
    module = AxialTransformer(16, 4, num_dimensions=2, heads=2, shape=(5, 7))
    plain = copy.deepcopy(module)
    plain.layers.reversible = False
    x = torch.randn(2, 5, 7, 16)
    for want, got in zip(results(plain, x), results(module, x), strict=True):
        assert want is not None
        assert got is not None
        assert (got - want).abs().max() <= 1e-5 * want.abs().max()


@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("dim_heads", [None, 3])
@pytest.mark.parametrize("shape", [None, (5, 7)])
def test_image_transformer_is_the_original(
    reversible: bool, dim_heads: int | None, shape: tuple[int, int] | None
) -> None:
    torch.manual_seed(0)
    arguments = {
        "dim": 8,
        "depth": 2,
        "heads": 2,
        "dim_heads": dim_heads,
        "reversible": reversible,
        "axial_pos_emb_shape": shape,
    }
    want = original.AxialImageTransformer(**arguments)
    got = AxialImageTransformer(**arguments)
    got.load_state_dict(want.state_dict(), strict=True)
    x = torch.randn(2, 8, 5, 7)
    for value, other in zip(results(want, x), results(got, x), strict=True):
        assert value is not None
        assert other is not None
        assert (other - value).abs().max() <= 1e-5 * value.abs().max()


@pytest.mark.parametrize("dim_index", [2, 3, -1, -2, -3])
def test_image_transformer_with_features_elsewhere(dim_index: int) -> None:
    torch.manual_seed(0)
    first = AxialImageTransformer(8, 1, heads=2, axial_pos_emb_shape=(5, 7))
    other = AxialImageTransformer(8, 1, heads=2, dim_index=dim_index, axial_pos_emb_shape=(5, 7))
    state = {
        name: value.movedim(1, dim_index) if name.startswith("pos_emb") else value
        for name, value in first.state_dict().items()
    }
    other.load_state_dict(state, strict=True)
    x = torch.randn(2, 8, 5, 7)
    torch.testing.assert_close(other(x.movedim(1, dim_index)).movedim(dim_index, 1), first(x))


@pytest.mark.parametrize("position", ["rotary", "relative", "none"])
def test_rolls_on_a_periodic_axis(position: str) -> None:
    torch.manual_seed(0)
    module = AxialTransformer(
        12,
        2,
        num_dimensions=3,
        heads=3,
        position=position,
        shape=(2, 3, 4),
        periodic=(False, False, True),
        span=(None, None, 3),
    ).double()
    for name, p in module.named_parameters():
        if name.endswith("positions.2.bias"):
            torch.nn.init.normal_(p)
    x = torch.randn(2, 2, 3, 5, 12, dtype=torch.float64)
    for shift in (1, 2):
        torch.testing.assert_close(
            module(x.roll(shift, 3)), module(x).roll(shift, 3), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("position", POSITIONS)
def test_runs_at_another_resolution(position: str) -> None:
    torch.manual_seed(0)
    module = AxialTransformer(
        12, 1, num_dimensions=2, heads=3, shape=(3, 4), position=position, periodic=(False, True)
    )
    features = torch.randn(12)
    coarse = module(features.expand(1, 3, 4, 12))
    fine = module(features.expand(1, 3, 8, 12))
    # A constant field: the finer grid holds the coarse places, position apart nothing differs.
    assert (fine[:, :, ::2] - coarse).abs().max() < 0.05


def test_depth_starts_harmless() -> None:
    """The streams stay within a factor of two of the input, 2 blocks or 32."""
    for depth, ratio in itertools.product((2, 32), (1.0, 4.0)):
        torch.manual_seed(0)
        module = AxialTransformer(
            32, depth, num_dimensions=2, heads=4, position="none", mlp_ratio=ratio
        )
        x = torch.randn(2, 5, 7, 32)
        assert 0.9 < module.layers(x).std() / x.std() < 2


def test_attention_reaches_along_every_axis_and_no_further() -> None:
    """One block: a token depends on its own cross of rows and columns alone."""
    torch.manual_seed(0)
    module = AxialTransformer(8, 1, num_dimensions=2, heads=2, position="none")
    x = torch.randn(1, 5, 7, 8, requires_grad=True)
    (grad,) = torch.autograd.grad(module(x)[0, 2, 3, 0], x)
    reached = grad[0].abs().sum(-1) > 0
    want = torch.zeros(5, 7, dtype=torch.bool)
    want[2], want[:, 3] = True, True
    assert torch.equal(reached, want)


def test_a_causal_axis_sees_nothing_later() -> None:
    torch.manual_seed(0)
    module = AxialTransformer(
        8, 3, num_dimensions=2, heads=2, shape=(5, 7), position="relative", causal=(True, False)
    )
    x = torch.randn(1, 5, 7, 8, requires_grad=True)
    (grad,) = torch.autograd.grad(module(x)[0, 2, 3, 0], x)
    reached = grad[0].abs().sum((1, 2)) > 0
    assert reached.tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("axes", [(1, 3, 5), (2, 1, 5), (1, 1, 1)])
def test_axes_of_length_one_give_every_parameter_a_gradient(axes: tuple[int, int, int]) -> None:
    """DistributedDataParallel waits for all of them."""
    module = AxialTransformer(8, 2, num_dimensions=3, heads=2, shape=axes)
    module(torch.randn(2, *axes, 8)).square().mean().backward()
    missing = [name for name, p in module.named_parameters() if p.grad is None]
    assert missing == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": 5, "position": "none"}, "heads: expected a divisor of dim=8, got 5"),
        ({"position": "learned"}, "shape: learned positions need"),
        ({"position": "fourier"}, "position: expected 'learned'"),
        ({"position": "none", "shape": (3,)}, "shape: expected 2 values"),
        ({"position": "none", "periodic": (True,)}, "periodic: expected 2 values"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AxialTransformer(8, 1, num_dimensions=2, **{"heads": 2, **arguments})


def test_bad_input() -> None:
    module = AxialTransformer(8, 1, num_dimensions=2, heads=2, position="none")
    with pytest.raises(ValueError, match="x: expected 4 dimensions with 8 features in dimension 3"):
        module(torch.zeros(1, 8, 5))
    with pytest.raises(ValueError, match="x: expected 4 dimensions with 8 features"):
        AxialImageTransformer(8, 1, heads=2)(torch.zeros(1, 3, 5, 8))
