"""Attention against axial_attention 0.6.1, and against what attention must be."""

import itertools
import math
from pathlib import Path

import axial_attention as original
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from axialcast.nn import AxialAttention, SelfAttention
from axialcast.nn.kernels import FLASH_LENGTH, attend

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


def dense(module: AxialAttention, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """What `module`, features last and axes summed, must be: one softmax over rules written out."""
    if mask is None:
        mask = torch.ones(x.shape[:-1], dtype=torch.bool)
    total = torch.zeros_like(x)
    for index, attention in enumerate(module.attentions()):
        rows, seen = x.movedim(index + 1, -2), mask.movedim(index + 1, -1)
        n, heads, e = rows.shape[-2], attention.heads, attention.dim_heads
        q = (rows @ attention.to_q.weight.T).view(*rows.shape[:-1], heads, e)
        k, v = (rows @ attention.to_kv.weight.T).view(*rows.shape[:-1], 2, heads, e).unbind(-3)
        if len(module.norms):
            gains = [norm.weight for norm in module.norms[2 * index : 2 * index + 2]]
            floor = torch.finfo(x.dtype).eps
            q, k = (
                part * (part.square().mean(-1, keepdim=True) + floor).rsqrt() * gain
                for part, gain in zip((q, k), gains, strict=True)
            )
        scores = torch.einsum("...ihe,...jhe->...hij", q, k) * e**-0.5
        span, closed = module.span[index], module.periodic[index]
        for i, j in itertools.product(range(n), range(n)):
            apart = abs(i - j)
            if closed:
                apart = min(apart, n - apart)
            if module.position[index] == "relative":
                table = module.positions[index].bias
                scores[..., i, j] += table[:, (j - i) % n if closed else j - i + n - 1]
            if (span is not None and apart > (span - 1) / 2) or (module.causal[index] and j > i):
                scores[..., i, j] = -torch.inf
        scores = scores.masked_fill(~seen[..., None, None, :], -torch.inf)
        weights = scores.softmax(-1).nan_to_num(0.0)
        out = torch.einsum("...hij,...jhe->...ihe", weights, v).flatten(-2)
        total = total + attention.to_out(out).movedim(-2, index + 1)
    return total


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"causal": (True, False)},
        {"causal": (True, True), "span": (3, None)},
        {"span": (3, 5)},
        {"span": (3, 5), "periodic": (False, True)},
        {"span": (1, 11), "periodic": (True, True), "qk_norm": True},
        {"qk_norm": True},
        {"position": "relative", "shape": (5, 7), "periodic": (False, True)},
        {"position": ("relative", "none"), "shape": (5, 7), "causal": (True, False)},
        {"position": "relative", "shape": (5, 7), "periodic": (False, True), "span": (None, 3)},
        {},
    ],
)
@pytest.mark.parametrize("batch", [1, 40])
def test_options_are_dense_attention_with_a_mask(
    options: dict[str, object], masked: bool, batch: int
) -> None:
    """Values and gradients; few tokens are projected axis by axis, many together."""
    torch.manual_seed(0)
    module = AxialAttention(12, 2, 2, **options).double()
    for name, p in module.named_parameters():
        if name.startswith(("positions", "norms")):
            nn.init.normal_(p, 1.0)
    x = torch.randn(batch, 5, 7, 12, dtype=torch.float64, requires_grad=True)
    mask = None
    if masked:
        mask = torch.rand(x.shape[:-1]) < 0.6
        mask[0, 2] = False  # a row in which nothing is seen
    grad = torch.randn_like(x)
    inputs = [x, *module.parameters()]
    want, got = dense(module, x, mask), module(x, mask)
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)
    if masked:  # nan_to_num has no gradient where every score is -inf
        assert all(g.isfinite().all() for g in torch.autograd.grad(got, inputs, grad))
        return
    for one, other in zip(
        torch.autograd.grad(want, inputs, grad),
        torch.autograd.grad(got, inputs, grad),
        strict=True,
    ):
        torch.testing.assert_close(other, one, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("sum_axial_out", [True, False])
def test_what_is_masked_has_no_influence(sum_axial_out: bool) -> None:
    """One axis: other values at masked tokens leave every seen token's output as it is."""
    torch.manual_seed(0)
    module = AxialAttention(8, 1, 2, sum_axial_out=sum_axial_out)
    x, mask = torch.randn(3, 7, 8), torch.rand(3, 7) < 0.5
    other = torch.where(mask[..., None], x, torch.randn_like(x))
    torch.testing.assert_close(module(x, mask)[mask], module(other, mask)[mask])


def test_long_masked_rows_are_the_short_ones() -> None:
    """Rows of 256 tokens, taken a few at a time, of which only the first seven are seen."""
    torch.manual_seed(0)
    module = AxialAttention(6, 1, 2)
    x = torch.randn(19, FLASH_LENGTH, 6)
    mask = (torch.arange(FLASH_LENGTH) < 7).expand(x.shape[:-1])
    torch.testing.assert_close(module(x, mask)[:, :7], module(x[:, :7]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["rotary", "relative"])
@pytest.mark.parametrize("size", [4, 5, 7])
@pytest.mark.parametrize("span", [None, 3])
def test_periodic_positions_and_windows_roll(kind: str, size: int, span: int | None) -> None:
    torch.manual_seed(0)
    module = AxialAttention(
        16, 2, 2, position=kind, periodic=(False, True), shape=(3, 4), span=(None, span)
    ).double()
    for p in module.positions.parameters():
        nn.init.normal_(p)
    x = torch.randn(3, 5, size, 16, dtype=torch.float64)
    for shift in range(1, size):
        torch.testing.assert_close(
            module(x.roll(shift, 2)), module(x).roll(shift, 2), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("kind", ["learned", "sinusoidal"])
def test_added_positions_are_the_embeddings(kind: str) -> None:
    torch.manual_seed(0)
    module = AxialAttention(12, 2, 2, position=("none", kind), shape=(5, 7))
    bare = AxialAttention(12, 2, 2)
    bare.load_state_dict({k: v for k, v in module.state_dict().items() if "positions" not in k})
    vectors = module.positions[1](torch.zeros(1, 7, 12))[0]
    x = torch.randn(2, 5, 7, 12)
    torch.testing.assert_close(module(x), bare(x + vectors))


def test_weights_are_dropped_in_training_alone() -> None:
    torch.manual_seed(0)
    module, x = AxialAttention(8, 1, 2, dropout=0.5), torch.randn(3, 7, 8)
    plain = AxialAttention(8, 1, 2)
    plain.load_state_dict(module.state_dict())
    torch.testing.assert_close(module.eval()(x), plain(x))
    module.train()
    assert (module(x) - plain(x)).abs().max() > 1e-2
    mean = torch.stack([module(x) for _ in range(3000)]).mean(0)
    assert (mean - plain(x)).abs().max() < 0.05


def test_long_rows_keep_no_square_buffer() -> None:
    """Nothing saved for the backward pass has the 256 x 256 scores of every row."""
    sizes = []

    def note(saved: Tensor) -> Tensor:
        sizes.append(saved.numel())
        return saved

    for options in ({}, {"causal": (True, True)}):
        module = AxialAttention(3, 2, 1, 8, 1, **options)
        x = torch.randn(1, 3, 3, FLASH_LENGTH)
        with torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
            module(x)
    assert max(sizes) < 3 * FLASH_LENGTH**2


README = Path(__file__).parents[3] / "shared/reference/axial_attention_readme.txt"


@pytest.mark.parametrize(
    "number",
    [0, 1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow), 4],
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
    want = tuple(int(size) for size in comment.strip(" ()").split(","))
    assert out.shape == want
    assert out.isfinite().all()
