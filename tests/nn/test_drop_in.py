"""Attention in place of axial_attention 0.6.1: its values, its gradients, its README."""

from pathlib import Path

import axial_attention as original
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from axialcast.nn import AxialAttention, SelfAttention

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


def test_initial_weights_are_drawn_like_the_original() -> None:
    torch.manual_seed(0)
    want = original.AxialAttention(24, 3, 4).state_dict()
    torch.manual_seed(0)
    got = AxialAttention(24, 3, 4).state_dict()
    for name, value in want.items():
        torch.testing.assert_close(got[name], value)


README = Path(__file__).parents[3] / "shared/reference/axial_attention_readme.txt"


@pytest.mark.parametrize(
    "number",
    # The video takes half a minute, the twelve layers of convolutions on 512 x 512 six minutes.
    [0, 1, *(pytest.param(i, marks=pytest.mark.slow) for i in (2, 3)), 4],
)
def test_examples_of_the_original_run_with_another_import(number: int) -> None:
    if not README.exists():
        pytest.skip(f"{README} is not there")
    text = README.read_text()
    # Each example runs from its imports to the heading of the next section.
    blocks = text[: text.index("Citation") + 8].split("import torch\n")[1:]
    assert len(blocks) == 5
    lines = blocks[number].strip().rsplit("\n\n", 1)[0]
    assert "from axial_attention import" in lines
    lines = lines.replace("from axial_attention import", "from axialcast.nn import")
    *code, last = f"import torch\n{lines}".splitlines()
    names: dict[str, object] = {}
    exec("\n".join(code), names)
    call, comment = last.split("#")
    out = eval(call.split(" = ")[-1], names)
    assert isinstance(out, Tensor)
    want = [int(size) for size in comment.strip(" ()").split(",")]
    if number == 3:  # the comment has the image's three features, the transformer gives 128
        want[1] = 128
    assert list(out.shape) == want
    assert out.isfinite().all()
