"""Attention against axial_attention 0.6.1, and against what attention must be."""

import math

import axial_attention as original
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from axialcast.nn import AxialAttention, SelfAttention
from axialcast.nn.attention import FLASH_LENGTH, attend

PRIMES = (3, 5, 2, 7)


def assert_same_function(
    want: nn.Module, got: nn.Module, *inputs: Tensor, tolerance: float = 1e-5
) -> None:
    """Outputs and every gradient of two modules agree to `tolerance` of the largest value."""
    results = []
    for module in (want, got):
        module.zero_grad()
        own = [x.clone().requires_grad_() for x in inputs]
        out = module(*own)
        torch.manual_seed(1)
        (out * torch.randn(out.shape)).sum().backward()
        named = {name: p.grad for name, p in module.named_parameters()}
        results.append({"out": out, **{f"x{i}": x.grad for i, x in enumerate(own)}, **named})
    assert results[0].keys() == results[1].keys()
    for name, value in results[0].items():
        other = results[1][name]
        assert other is not None, name
        assert value.shape == other.shape, name
        assert (value - other).abs().max() <= tolerance * value.abs().max() + 1e-2 * tolerance, name


@given(
    num_dimensions=st.integers(1, 4),
    data=st.data(),
    heads=st.sampled_from([1, 2, 4]),
    dim_heads=st.sampled_from([None, 1, 3]),
    sum_axial_out=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_axial_attention_is_the_original(
    num_dimensions: int,
    data: st.DataObject,
    heads: int,
    dim_heads: int | None,
    sum_axial_out: bool,
    seed: int,
) -> None:
    dim_index = data.draw(
        st.sampled_from([i for i in range(-num_dimensions - 1, num_dimensions + 2) if i != 0])
    )
    sizes = data.draw(st.permutations(PRIMES))[:num_dimensions]
    if data.draw(st.booleans()):
        sizes[0] = 1
    torch.manual_seed(seed)
    args = (24, num_dimensions, heads, dim_heads, dim_index, sum_axial_out)
    want, got = original.AxialAttention(*args).double(), AxialAttention(*args).double()
    got.load_state_dict(want.state_dict(), strict=True)
    sizes.insert(dim_index - 1 if dim_index > 0 else len(sizes) + 1 + dim_index, 24)
    x = torch.randn(2, *sizes, dtype=torch.float64)
    # Formula against formula: in float32 a gradient near zero is the rounding of larger ones.
    assert_same_function(want, got, x, tolerance=1e-10)


@pytest.mark.parametrize("num_dimensions", [1, 2, 3, 4])
@pytest.mark.parametrize("sum_axial_out", [True, False])
@pytest.mark.parametrize("dim_index", [1, -1])
def test_axial_attention_is_the_original_in_float32(
    num_dimensions: int, sum_axial_out: bool, dim_index: int
) -> None:
    torch.manual_seed(0)
    args = (24, num_dimensions, 4, None, dim_index, sum_axial_out)
    want, got = original.AxialAttention(*args), AxialAttention(*args)
    got.load_state_dict(want.state_dict(), strict=True)
    sizes = [2, 3, 19, 7, 2][: num_dimensions + 1]
    sizes.insert(1 if dim_index == 1 else len(sizes), 24)
    assert_same_function(want, got, torch.randn(sizes))


@pytest.mark.parametrize("dim_heads", [None, 5])
@pytest.mark.parametrize("other", [False, True])
def test_self_attention_is_the_original(dim_heads: int | None, other: bool) -> None:
    torch.manual_seed(0)
    want = original.SelfAttention(12, 3, dim_heads)
    got = SelfAttention(12, 3, dim_heads)
    got.load_state_dict(want.state_dict(), strict=True)
    inputs = [torch.randn(2, 7, 12), torch.randn(2, 5, 12)]
    assert_same_function(want, got, *inputs[: 1 + other])


@pytest.mark.parametrize("sum_axial_out", [True, False])
def test_gradients_accumulate(sum_axial_out: bool) -> None:
    """Two backward passes give twice the gradients of one: no two of them share memory."""
    torch.manual_seed(0)
    module = AxialAttention(24, 3, 4, sum_axial_out=sum_axial_out)
    x = torch.randn(2, 3, 1, 19, 24)
    module(x).pow(3).sum().backward()
    once = [p.grad.clone() for p in module.parameters()]
    module(x).pow(3).sum().backward()
    for grad, p in zip(once, module.parameters(), strict=True):
        torch.testing.assert_close(p.grad, 2 * grad)


def test_initial_weights_are_drawn_like_the_original() -> None:
    torch.manual_seed(0)
    want = original.AxialAttention(24, 3, 4).state_dict()
    torch.manual_seed(0)
    got = AxialAttention(24, 3, 4).state_dict()
    for name, value in want.items():
        torch.testing.assert_close(got[name], value)


def test_attention_by_hand() -> None:
    """Query 1 against keys 0 and log 3 weighs their values 1 : 3."""
    q, k = torch.ones(1, 2, 1), torch.tensor([[[0.0], [math.log(3)]]])
    v = torch.tensor([[[4.0], [8.0]]])
    torch.testing.assert_close(attend(q, k, v, axis=1, heads=1), torch.full((1, 2, 1), 7.0))


@pytest.mark.parametrize("length", [1, 2, 3, 5, 7, 8, 13, 16, 17, FLASH_LENGTH])
def test_every_kernel_is_the_formula(length: int) -> None:
    """Rows of any length, however they are computed, in value and gradient."""
    torch.manual_seed(0)
    heads, e = 2, 3
    inputs = [torch.randn(3, length, 5, heads * e, dtype=torch.float64) for _ in range(3)]
    grad = torch.randn(3, length, 5, heads * e, dtype=torch.float64)
    results = []
    for formula in (True, False):
        q, k, v = (x.clone().requires_grad_() for x in inputs)
        if formula:
            qh, kh, vh = (x.view(3, length, 5, heads, e) for x in (q, k, v))
            weights = torch.einsum("bnche,bmche->bchnm", qh, kh).softmax(-1)
            out = torch.einsum("bchnm,bmche->bnche", weights, vh).flatten(-2)
        else:
            out = attend(q, k, v, axis=1, heads=heads)
        results.append([out, *torch.autograd.grad(out, (q, k, v), grad)])
    for want, got in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_axial_is_full_attention_where_other_axes_have_length_one(axis: int) -> None:
    torch.manual_seed(0)
    module = AxialAttention(8, 3, 2, sum_axial_out=False)
    tokens = torch.randn(2, 11, 8)
    shape = [1, 1, 1]
    shape[axis] = 11
    attentions = module.attentions()
    want = tokens
    for index, attention in enumerate(attentions):
        # An axis of length 1 projects to the value and back.
        value = want @ attention.value_weight().T
        want = attention(want) if index == axis else attention.to_out(value)
    got = module(tokens.view(2, *shape, 8)).view(2, 11, 8)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)


@given(sizes=st.tuples(*[st.sampled_from([2, 3, 5, 8])] * 2), shift=st.integers(1, 7))
@settings(max_examples=15, deadline=None)
def test_rolling_a_periodic_axis_rolls_the_output(sizes: tuple[int, int], shift: int) -> None:
    torch.manual_seed(0)
    module = AxialAttention(16, 2, 2, rotary=True, periodic=(False, True), shape=(3, 4)).double()
    x = torch.randn(3, *sizes, 16, dtype=torch.float64)
    torch.testing.assert_close(
        module(x.roll(shift, 2)), module(x).roll(shift, 2), rtol=1e-12, atol=1e-12
    )
    if sizes[0] > 2:  # an open axis has places, so a roll of it is another input
        assert (module(x.roll(1, 1)) - module(x).roll(1, 1)).abs().max() > 1e-4


def test_rotary_sees_only_differences_of_position() -> None:
    """Appending tokens shifts the rest; what is attended to is the same."""
    torch.manual_seed(0)
    module = AxialAttention(8, 1, 2, rotary=True).double()
    x = torch.randn(1, 5, 8, dtype=torch.float64)
    without = AxialAttention(8, 1, 2).double()
    without.load_state_dict(module.state_dict())
    flipped = module(x.flip(1)).flip(1)
    assert (module(x) - flipped).abs().max() > 1e-4
    torch.testing.assert_close(without(x), without(x.flip(1)).flip(1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dim": 10, "heads": 4}, "heads: expected a divisor of dim=10, got 4"),
        ({"dim": 8, "dim_index": 0}, "dim_index: expected 1 to 3"),
        ({"dim": 8, "dim_index": -4}, "dim_index: expected 1 to 3"),
        ({"dim": 8, "dim_index": 4}, "dim_index: expected 1 to 3"),
        ({"dim": 8, "num_dimensions": 0}, "num_dimensions"),
        ({"dim": 8, "periodic": (True,)}, "periodic: expected 2 values"),
        ({"dim": 8, "heads": 8, "rotary": True}, "dim_heads: rotary"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AxialAttention(**arguments)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="x: expected 4 dimensions with 8 features"):
        AxialAttention(8)(torch.zeros(1, 3, 8))
    with pytest.raises(ValueError, match="x: expected 4 dimensions with 8 features"):
        AxialAttention(8)(torch.zeros(1, 3, 8, 5))
    with pytest.raises(ValueError, match="kv: expected shape"):
        SelfAttention(8, 2)(torch.zeros(1, 3, 8), torch.zeros(1, 3, 7))
