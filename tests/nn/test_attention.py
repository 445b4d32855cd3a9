"""Attention along axes against what it must be: by hand, by formula, by symmetry."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.nn import AxialAttention, SelfAttention
from axialcast.nn.kernels import FLASH_LENGTH, attend


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
@settings(max_examples=15)
def test_rolling_a_periodic_axis_rolls_the_output(sizes: tuple[int, int], shift: int) -> None:
    torch.manual_seed(0)
    module = AxialAttention(
        16, 2, 2, position="rotary", periodic=(False, True), shape=(3, 4)
    ).double()
    x = torch.randn(3, *sizes, 16, dtype=torch.float64)
    torch.testing.assert_close(
        module(x.roll(shift, 2)), module(x).roll(shift, 2), rtol=1e-12, atol=1e-12
    )
    if sizes[0] > 2:  # an open axis has places, so a roll of it is another input
        assert (module(x.roll(1, 1)) - module(x).roll(1, 1)).abs().max() > 1e-4


def test_rotary_sees_only_differences_of_position() -> None:
    """Appending tokens shifts the rest; what is attended to is the same."""
    torch.manual_seed(0)
    module = AxialAttention(8, 1, 2, position="rotary").double()
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
        ({"dim": 8, "causal": (True,)}, "causal: expected 2 values"),
        ({"dim": 8, "span": (3, 4)}, "span: expected an odd number"),
        ({"dim": 8, "causal": (False, True), "periodic": (True, True)}, "causal: axis 1 is period"),
        ({"dim": 8, "position": "relative"}, "shape: relative positions need"),
        ({"dim": 8, "position": ("rotary",)}, "position: expected 2 values"),
        ({"dim": 8, "position": "fourier"}, "position: expected 'none'"),
        ({"dim": 8, "heads": 8, "position": "rotary"}, "dim_heads: rotary"),
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
    with pytest.raises(ValueError, match="mask: expected booleans of shape"):
        AxialAttention(8)(torch.zeros(1, 3, 5, 8), torch.ones(1, 3, 5))
    with pytest.raises(ValueError, match="kv: expected shape"):
        SelfAttention(8, 2)(torch.zeros(1, 3, 8), torch.zeros(1, 3, 7))
