"""Every kernel that attention chooses on a GPU, against float64 on the CPU: values, gradients."""

import copy

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from axialcast.nn import AxialAttention, AxialTransformer, kernels

DIM, HEADS = 32, 2
CASES = {
    "plain": {},
    "causal": {"causal": (False, True)},
    "window": {"span": (None, 3), "periodic": (False, True)},
    "query-key norm": {"qk_norm": True},
    "rotary": {"position": "rotary", "periodic": (False, True)},
    "relative": {"position": "relative"},
    "relative, causal": {"position": "relative", "causal": (True, True)},
}
LENGTHS = (2, 3, 5, 61, 300)
"""Sums of elements, products, fused kernels, and rows that are long."""
ERROR = {torch.float32: 1e-4, torch.bfloat16: 3e-2}
"""Of the norm of what is wanted."""


def values(module: AxialAttention, x: Tensor, mask: Tensor | None) -> list[Tensor]:
    x = x.requires_grad_()
    out = module(x, mask=mask)
    out.float().square().sum().backward()
    return [out.detach(), x.grad, *(p.grad for p in module.parameters() if p.grad is not None)]


def check(got: list[Tensor], want: list[Tensor], error: float) -> None:
    assert len(got) == len(want)
    for ours, exact in zip(got, want, strict=True):
        assert ours.isfinite().all()
        apart = (ours.cpu().double() - exact).norm()
        assert apart <= error * exact.norm() + 1e-6, (apart / exact.norm(), exact.shape)


@pytest.mark.parametrize("dtype", ERROR, ids=str)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("case", CASES)
def test_attention_is_that_of_float64(case, n, masked, dtype, gpu):
    torch.manual_seed(0)
    exact = AxialAttention(DIM, 2, HEADS, dim_index=-1, shape=(7, n), **CASES[case]).double()
    ours = copy.deepcopy(exact).to(gpu, dtype)
    x = torch.randn(2, 7, n, DIM).to(dtype)
    mask = None
    if masked:
        mask = torch.rand(2, 7, n) < 0.7
        mask[0, 2] = False  # nothing is seen along one row
    want = values(exact, x.double(), mask)
    got = values(ours, x.to(gpu), None if mask is None else mask.to(gpu))
    check(got, want, ERROR[dtype])


@pytest.mark.parametrize("dtype", ERROR, ids=str)
@pytest.mark.parametrize("rows", [65_535, 65_536, 131_760])
def test_more_rows_than_a_kernel_takes(rows, dtype, gpu):
    """The first and the last of them against float64, and none is not a number."""
    torch.manual_seed(0)
    q, k, v = torch.randn(3, rows, 1, 5, 16, dtype=dtype, device=gpu).requires_grad_().unbind()
    out = kernels.fused(q, k, v)
    gradient = torch.autograd.grad(out.float().square().sum(), q)[0]
    assert gradient.isfinite().all()
    for row in (0, 65_534, rows - 1):
        mine = [t[row].detach().cpu().double().requires_grad_() for t in (q, k, v)]
        want = (mine[0] @ mine[1].mT).softmax(-1) @ mine[2]
        slope = torch.autograd.grad(want.square().sum(), mine[0])[0]
        check([out[row].detach(), gradient[row]], [want.detach(), slope], ERROR[dtype])


def test_dropout_drops_and_keeps_the_mean(gpu):
    torch.manual_seed(0)
    q, k = torch.randn(2, 1000, 2, 61, 16, device=gpu)
    out = kernels.attend_heads(
        q.movedim(1, 2), k.movedim(1, 2), torch.ones_like(q).movedim(1, 2), axis=1, dropout=0.25
    )
    assert out.std() > 0.01
    assert out.mean().item() == pytest.approx(1.0, abs=0.01)


class OneDevice(TorchDispatchMode):
    """Fails where an operation takes tensors of two devices, or makes one on the CPU."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **kwargs or {})
        for value in tree_leaves((args, kwargs, out)):
            # Numbers without a dimension are constants; states of random generators are the host's.
            if isinstance(value, Tensor) and value.ndim and value.dtype != torch.uint8:
                assert value.is_cuda, func
        return out


@pytest.mark.parametrize("position", ["learned", "sinusoidal", "rotary", "relative"])
@pytest.mark.parametrize("size", [(5, 7), (3, 11)])
def test_no_tensor_is_on_another_device(position, size, gpu):
    network = AxialTransformer(
        16, 3, num_dimensions=2, heads=2, shape=(5, 7), position=position, dropout=0.1
    ).to(gpu)
    x = torch.randn(2, *size, 16, device=gpu)
    with OneDevice():
        network(x).sum().backward()


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_reversible_blocks_have_the_gradients_of_plain_ones(dropout, bfloat16, gpu):
    """Random states are replayed on the GPU, and so is autocast."""
    torch.manual_seed(0)
    plain = AxialTransformer(
        32, 6, num_dimensions=2, heads=2, shape=(5, 7), dropout=dropout, reversible=False
    ).to(gpu)
    reversible = copy.deepcopy(plain)
    reversible.layers.reversible = True
    x, weights = torch.randn(2, 2, 5, 7, 32, device=gpu)

    def gradients(module: AxialTransformer) -> list[Tensor]:
        torch.manual_seed(1)
        with torch.autocast("cuda", torch.bfloat16, enabled=bfloat16):
            out = module(x)
        (out * weights).sum().backward()  # squares of what is normalised have no slope
        return [p.grad.cpu().double() for p in module.parameters()]

    check(gradients(reversible), gradients(plain), 2e-2 if bfloat16 else 1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reversible", [False, True])
def test_compiled_networks_have_the_values_of_eager_ones(reversible, gpu):
    torch.manual_seed(0)
    network = AxialTransformer(
        32, 3, num_dimensions=2, heads=2, shape=(5, 7), reversible=reversible
    ).to(gpu)
    compiled = torch.compile(copy.deepcopy(network))
    x, weights = torch.randn(2, 2, 5, 7, 32, device=gpu)
    results = []
    for module in (compiled, network):
        out = module(x)
        (out * weights).sum().backward()
        results.append([out.detach(), *(p.grad for p in module.parameters())])
    check(results[0], [value.cpu().double() for value in results[1]], 1e-4)
