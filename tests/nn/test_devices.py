"""What other devices than the CPU ask for, as far as a CPU can show it."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from axialcast.nn import (
    AxialAttention,
    AxialPositionalEmbedding,
    AxialTransformer,
    kernels,
    position,
)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"causal": (True, False)},
        {"span": (3, 5)},
        {"position": "relative", "shape": (5, 7)},
    ],
    ids=lambda options: next(iter(options), "plain"),
)
def test_rows_in_parts_have_the_values_of_all_at_once(options, masked, monkeypatch):
    """Outputs and gradients, where a kernel takes three rows and the last part is not full."""
    monkeypatch.setattr(kernels, "plain_kernel", lambda n, m, e: "fused")
    torch.manual_seed(0)
    module = AxialAttention(
        6, 2, heads=2, dim_index=-1, **{"shape": (5, 7), "position": "none", **options}
    ).double()
    x = torch.randn(2, 5, 7, 6, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(2, 5, 7) < 0.7 if masked else None

    def run():
        out = module(x, mask=mask)
        return [out, *torch.autograd.grad(out.pow(3).sum(), [x, *module.parameters()])]

    want, calls, whole = run(), [], kernels.scaled_dot_product_attention

    def counted(q, *arguments, **options):
        calls.append(len(q))
        return whole(q, *arguments, **options)

    monkeypatch.setattr(kernels, "rows_at_once", lambda q, k: 3)
    monkeypatch.setattr(kernels, "scaled_dot_product_attention", counted)
    for got, expected in zip(run(), want, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    assert max(calls) == 3
    assert min(calls) < 3


@pytest.mark.parametrize("heads", [1, 4, 16])
@pytest.mark.parametrize(("n", "e"), [(2, 32), (129, 64), (1440, 80)])
def test_no_call_is_larger_than_a_gpu_takes(heads, n, e):
    """131,760 rows, as the time axis of 18 windows of 1.5 degrees has them."""
    q = torch.empty(131_760, heads, n, e, device="meta")
    rows = kernels.rows_at_once(q, q)
    padded = heads * -(-n // 128) * 128 * -(-e // 64) * 64
    assert rows <= 65_535
    assert rows * padded < 2**31
    assert rows == 65_535 or (rows + 1) * padded >= 2**31
    assert kernels.rows_at_once(q.new_empty(70_000, 1, 1, 1, device="cpu"), q[:1]) == 70_000


class NoFloat64(TorchDispatchMode):
    """Fails where a tensor on the device `meta` has 64-bit floating-point numbers."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **kwargs or {})
        for value in tree_leaves(out):
            if isinstance(value, torch.Tensor) and value.device.type == "meta":
                assert value.dtype not in (torch.float64, torch.complex128), func
        return out


@pytest.mark.parametrize("size", [(5, 7), (3, 11)], ids=["own size", "another"])
@pytest.mark.parametrize("kind", ["learned", "sinusoidal", "rotary", "relative"])
def test_a_device_without_float64_never_sees_it(kind, size, monkeypatch):
    """MPS has none; `meta` stands for it, whose tensors have no values."""
    monkeypatch.setattr(position, "WITHOUT_FLOAT64", {"meta"})
    with NoFloat64():
        network = AxialTransformer(
            8, 2, num_dimensions=2, heads=2, shape=(5, 7), position=kind, periodic=(False, True)
        ).to("meta")
        network(torch.randn(2, *size, 8, device="meta")).sum().backward()


def test_positions_by_way_of_the_cpu_are_the_same(monkeypatch):
    torch.manual_seed(0)
    embedding = AxialPositionalEmbedding(6, (5, 7), -1, interpolate=True, periodic=(False, True))
    x = torch.randn(2, 3, 11, 6)
    want = embedding(x)
    monkeypatch.setattr(position, "WITHOUT_FLOAT64", {"cpu"})
    assert torch.equal(embedding(x), want)
