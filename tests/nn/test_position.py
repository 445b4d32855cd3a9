"""Positions against axial_attention 0.6.1, waves by hand, and seams that close."""

import math

import axial_attention as original
import pytest
import torch

from axialcast.nn import AxialPositionalEmbedding, AxialSinusoidalEmbedding
from axialcast.nn.masking import spread
from axialcast.nn.position import RelativeBias, apply_rotary, phases, rotary_table

CPU = torch.device("cpu")


@pytest.mark.parametrize("shape", [(5,), (3, 5), (3, 5, 7), (2, 3, 5, 7)])
@pytest.mark.parametrize("emb_dim_index", [1, 2])
def test_learned_is_the_original(shape: tuple[int, ...], emb_dim_index: int) -> None:
    torch.manual_seed(0)
    want = original.AxialPositionalEmbedding(11, shape, emb_dim_index)
    torch.manual_seed(0)
    got = AxialPositionalEmbedding(11, shape, emb_dim_index)
    for name, value in want.state_dict().items():
        torch.testing.assert_close(got.state_dict()[name], value)
    got.load_state_dict(want.state_dict(), strict=True)
    sizes = list(shape)
    sizes.insert(emb_dim_index - 1, 11)
    x = torch.randn(2, *sizes)
    torch.testing.assert_close(got(x), want(x), rtol=1e-5, atol=1e-6)
    for module in (want, got):
        module(x).square().sum().backward()
    for p, q in zip(want.parameters(), got.parameters(), strict=True):
        torch.testing.assert_close(q.grad, p.grad, rtol=1e-5, atol=1e-4)


def test_a_negative_index_counts_from_the_last() -> None:
    torch.manual_seed(0)
    last = AxialPositionalEmbedding(11, (3, 5), -1)
    first = AxialPositionalEmbedding(11, (3, 5), 1)
    for name, value in last.named_parameters():
        first.get_parameter(name).data = value.detach().movedim(-1, 1)
    x = torch.randn(2, 3, 5, 11)
    torch.testing.assert_close(last(x), first(x.movedim(-1, 1)).movedim(1, -1))


@pytest.mark.parametrize("periodic", [False, True])
def test_learned_at_another_resolution(periodic: bool) -> None:
    """Vectors 0, 2, 4 at six places: between neighbours, over the seam or up to the edge."""
    module = AxialPositionalEmbedding(1, (3,), -1, periodic=(periodic,), interpolate=True)
    module.param_0.data = torch.tensor([[[0.0], [2.0], [4.0]]])
    want = [0.0, 1.0, 2.0, 3.0, 4.0, 2.0] if periodic else [0.0, 0.5, 1.5, 2.5, 3.5, 4.0]
    torch.testing.assert_close(module(torch.zeros(1, 6, 1)).flatten(), torch.tensor(want))


def test_bad_arguments_and_input() -> None:
    with pytest.raises(ValueError, match="emb_dim_index: expected 1 to 3"):
        AxialPositionalEmbedding(11, (3, 5), 0)
    with pytest.raises(ValueError, match=r"x: expected axes of \(3, 5\), got \(3, 7\)"):
        AxialPositionalEmbedding(11, (3, 5))(torch.zeros(1, 11, 3, 7))
    with pytest.raises(ValueError, match="x: expected 4 dimensions with 11 features"):
        AxialPositionalEmbedding(11, (3, 5))(torch.zeros(1, 3, 5, 11))
    with pytest.raises(ValueError, match="x: expected 4 dimensions with 11 features"):
        AxialPositionalEmbedding(11, (3, 5))(torch.zeros(1, 11, 3))
    with pytest.raises(ValueError, match="dim: expected at least 6"):
        AxialSinusoidalEmbedding(5, 3)


def test_sinusoids_by_hand() -> None:
    """Two axes, one wave each: the first of 2π tokens, the second once around its 4 tokens."""
    module = AxialSinusoidalEmbedding(4, 2, periodic=(False, True))
    out = module(torch.zeros(1, 3, 4, 4, dtype=torch.float64))[0]
    i, j = torch.arange(3.0).double()[:, None], torch.arange(4.0).double()[None] * math.pi / 2
    want = torch.stack(torch.broadcast_tensors(i.sin(), i.cos(), j.sin(), j.cos()), dim=-1)
    torch.testing.assert_close(out, want)


def test_periodic_waves_are_whole_and_independent_of_resolution() -> None:
    coarse = phases(8, 3, True, 8, CPU)
    fine = phases(24, 3, True, 8, CPU)
    torch.testing.assert_close(coarse[1], torch.tensor([1, 2, 4]).double() * math.pi / 4)
    difference = (fine[::3] - coarse) / (2 * math.pi)
    torch.testing.assert_close(difference, difference.round())


def test_open_waves_scale_with_resolution() -> None:
    """Twice as many cells: the two halves of a cell lie a quarter cell beside its centre."""
    coarse, fine = phases(5, 4, False, 5, CPU), phases(10, 4, False, 5, CPU)
    torch.testing.assert_close((fine[0::2] + fine[1::2]) / 2, coarse)
    torch.testing.assert_close(coarse[1, [0, -1]], torch.tensor([1.0, 0.01]).double())


def test_rotary_turns_pairs() -> None:
    """One wave around 4 tokens turns (1, 0) to (1, 0), (0, 1), (-1, 0), (0, -1), head by head."""
    table = rotary_table(4, 2, periodic=True, reference=None, device=CPU)
    x = torch.tensor([1.0, 0.0, 1.0, 0.0]).expand(1, 3, 4, 4)
    out = apply_rotary(x.unflatten(-1, (2, 2)), table, axis=2).flatten(-2)
    want = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]]).repeat(1, 2)
    torch.testing.assert_close(out, want.expand(1, 3, 4, 4), atol=1e-6, rtol=0)


def test_relative_biases_by_hand() -> None:
    """Numbers 0, 1, 2, ... in the order of distance, at three tokens and at six."""

    def square(module: RelativeBias, n: int) -> torch.Tensor:
        return spread(module(n), 0, n)[0]

    open_axis = RelativeBias(1, 3, periodic=False)
    open_axis.bias.data = torch.arange(5.0)[None]
    want = torch.tensor([[2.0, 3, 4], [1, 2, 3], [0, 1, 2]])
    torch.testing.assert_close(square(open_axis, 3), want)
    torch.testing.assert_close(spread(open_axis(3), 1, 3)[0], want[1:])
    # Half the spacing: distances grow by half steps, and stay at the last beyond it.
    finer = square(open_axis, 6)
    torch.testing.assert_close(finer[0], torch.tensor([2.0, 2.5, 3, 3.5, 4, 4]))
    torch.testing.assert_close(finer[5], torch.tensor([0.0, 0, 0.5, 1, 1.5, 2]))
    closed = RelativeBias(1, 3, periodic=True)
    closed.bias.data = torch.tensor([[0.0, 2, 4]])
    want = torch.tensor([[0.0, 2, 4], [4, 0, 2], [2, 4, 0]])
    torch.testing.assert_close(square(closed, 3), want)
    torch.testing.assert_close(square(closed, 6)[1], torch.tensor([2.0, 0, 1, 2, 3, 4]))
