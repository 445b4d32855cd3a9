"""Masks, windows, order and positions against one dense softmax with its rules written out."""

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from axialcast.nn import AxialAttention, kernels
from axialcast.nn.kernels import FLASH_LENGTH


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
        # Where nothing is seen the sum is over nothing: zero, and so are its gradients.
        largest = scores.detach().amax(-1, keepdim=True).clamp(min=-1e9)
        weights = torch.where(scores == -torch.inf, 0.0, (scores - largest).exp())
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-300)
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
@pytest.mark.parametrize(("batch", "long"), [(1, False), (40, False), (3, True)])
def test_options_are_dense_attention_with_a_mask(
    options: dict[str, object],
    masked: bool,
    batch: int,
    long: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Values and gradients; few tokens and many, short rows and those taken for long ones."""
    if long:
        for name, value in {"FLASH_LENGTH": 1, "QUERIES": 2, "SCORES": 40}.items():
            monkeypatch.setattr(kernels, name, value)
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
    with torch.no_grad():
        torch.testing.assert_close(module(x, mask), want, rtol=1e-10, atol=1e-10)
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


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"causal": (True,)},
        {"span": (9,)},
        {"position": "relative", "shape": (FLASH_LENGTH,)},
        {"position": "relative", "shape": (99,), "span": (9,), "periodic": (True,)},
        {"dropout": 0.1},
    ],
)
def test_long_rows_have_no_square_buffer(options: dict[str, object], masked: bool) -> None:
    """Of no tensor, forward or backward, are the last two dimensions a row's scores in memory."""
    square = torch.Size([FLASH_LENGTH] * 2)

    class Squares(TorchDispatchMode):
        largest = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **kwargs or {})
            for value in out if isinstance(out, list | tuple) else [out]:
                if isinstance(value, Tensor) and value.shape[-2:] == square:
                    self.largest = max(self.largest, value.untyped_storage().nbytes())
            return out

    module = AxialAttention(2, 1, 1, 8, **options)
    x = torch.randn(3, FLASH_LENGTH, 2)
    mask = torch.rand(3, FLASH_LENGTH) < 0.5 if masked else None
    for train in (True, False):
        with Squares() as squares, torch.set_grad_enabled(train):
            out = module.train(train)(x, mask)
            if train:
                out.sum().backward()
        assert squares.largest < FLASH_LENGTH**2
