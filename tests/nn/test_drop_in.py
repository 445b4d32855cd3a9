"""Attention in place of axial_attention 0.6.1: its values, its gradients, its README."""

import functools
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
@settings(max_examples=60)
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


@pytest.mark.parametrize("num_levels", [1, 2, 13])
@pytest.mark.parametrize("dim_index", [-1, 2, 1, -2])
@pytest.mark.parametrize(("dim", "heads"), [(24, 1), (24, 8), (35, 5)])
def test_columns_of_an_atmosphere(num_levels: int, dim_index: int, dim: int, heads: int) -> None:
    """As geoarches does: all points in the batch, attention along the levels, then taken apart."""
    torch.manual_seed(0)
    want = original.AxialAttention(dim, num_dimensions=1, heads=heads, dim_index=dim_index)
    got = AxialAttention(dim, num_dimensions=1, heads=heads, dim_index=dim_index)
    got.load_state_dict(want.state_dict(), strict=True)
    is_first = dim_index in (1, -2)

    def residual(module: nn.Module, x: Tensor) -> Tensor:
        columns = x.permute(0, 2, 3, *((4, 1) if is_first else (1, 4))).flatten(0, 2)
        out = module(columns).view(2, 3, 5, *columns.shape[1:])
        return x + out.permute(0, *((4, 1, 2, 3) if is_first else (3, 1, 2, 4)))

    modules = nn.Module(), nn.Module()
    for module, attention in zip(modules, (want, got), strict=True):
        module.attention = attention
        module.forward = functools.partial(residual, attention)
    assert_same_function(*modules, torch.randn(2, num_levels, 3, 5, dim))


@pytest.mark.parametrize("num_dimensions", [1, 2, 3, 4])
@pytest.mark.parametrize("sum_axial_out", [True, False])
def test_memory_is_laid_out_as_by_the_original(num_dimensions: int, sum_axial_out: bool) -> None:
    """In order, wherever the features are and however the input lies: `view` takes the result."""
    for dim_index in range(1, num_dimensions + 2):
        sizes = list(PRIMES[:num_dimensions])
        sizes.insert(dim_index - 1, 8)
        x = torch.randn(*sizes[::-1], 2).permute(*range(num_dimensions + 1, -1, -1))
        for kind in (original.AxialAttention, AxialAttention):
            out = kind(8, num_dimensions, 2, None, dim_index, sum_axial_out)(x)
            assert out.shape == x.shape
            assert out.is_contiguous()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"dim_index": 0}, "dim_index: expected 1 to 3 or -3 to -1 for 2 axes"),
        ({"dim_index": 4}, r"dim_index: .* \(dimension 0 is the batch\), got 4"),
        ({"num_dimensions": 0}, "num_dimensions: expected 1 or more axes, got 0"),
        ({"heads": 5}, "heads: expected a divisor of dim=24, got 5; change it or give dim_heads"),
    ],
)
def test_what_the_original_takes_and_fails_at_later_is_refused(
    arguments: dict[str, int], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        AxialAttention(24, **arguments)
    for shape in ((2, 3, 24), (2, 3, 5, 23), (2, 24, 3, 5)):
        with pytest.raises(ValueError, match="x: expected 4 dimensions with 24 features in dim"):
            AxialAttention(24)(torch.zeros(shape))


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
