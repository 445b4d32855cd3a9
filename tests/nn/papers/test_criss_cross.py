"""Criss-cross attention against dense attention with the criss-cross mask."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from axialcast.nn.papers.criss_cross import (
    CrissCrossAttention,
    criss_cross_sum,
    criss_cross_weights,
)


def module_of(dim: int, **arguments: int | None) -> CrissCrossAttention:
    """In float64, with a γ that is not zero and scores that are not flat."""
    torch.manual_seed(0)
    module = CrissCrossAttention(dim, **arguments).double()
    with torch.no_grad():
        module.gamma.fill_(0.7)
        module.to_q.weight.mul_(3)
    return module


def dense(module: CrissCrossAttention, x: Tensor) -> Tensor:
    """The same by full attention over all h w positions, all but row and column masked."""
    x = x.movedim(module.channel, -1)
    shape = x.shape
    row, column = (
        index.flatten() for index in torch.meshgrid(*map(torch.arange, shape[1:3]), indexing="ij")
    )
    visible = (row[:, None] == row) | (column[:, None] == column)
    x = x.flatten(1, 2)
    for _ in range(module.recurrence):
        scores = torch.einsum("bne,bme->bnm", module.to_q(x), module.to_k(x))
        weights = scores.masked_fill(~visible, -torch.inf).softmax(-1)
        x = x + module.gamma * module.to_out(weights @ module.to_v(x))
    return x.view(shape).movedim(-1, module.channel)


def results(function: object, module: CrissCrossAttention, x: Tensor) -> list[Tensor]:
    """Output and gradients with respect to the input and every parameter."""
    x = x.detach().requires_grad_()
    out = function(x)
    torch.manual_seed(1)
    grad = torch.randn(out.shape, dtype=out.dtype)  # whatever order `out` lies in memory
    return [out, *torch.autograd.grad(out, [x, *module.parameters()], grad)]


@given(
    batch=st.sampled_from([1, 2, 3]),
    sizes=st.tuples(*[st.sampled_from([1, 2, 3, 5, 7, 11])] * 2),
    recurrence=st.integers(1, 3),
    dim_value=st.sampled_from([None, 5]),
    dim_index=st.sampled_from([1, 2, 3, -1, -3]),
)
@settings(max_examples=50)
def test_it_is_dense_attention_with_the_criss_cross_mask(
    batch: int, sizes: tuple[int, int], recurrence: int, dim_value: int | None, dim_index: int
) -> None:
    module = module_of(
        13, dim_key=3, dim_value=dim_value, recurrence=recurrence, dim_index=dim_index
    )
    x = torch.randn(batch, *sizes, 13, dtype=torch.float64).movedim(-1, dim_index)
    want = results(lambda x: dense(module, x), module, x)
    for value, other in zip(want, results(module, module, x), strict=True):
        torch.testing.assert_close(other, value, rtol=1e-10, atol=1e-10)


def test_by_hand() -> None:
    """At one corner of 2 x 3: itself, one below and two beside it share the weight, once each."""
    q = k = torch.zeros(2, 1, 3, 1)
    v = torch.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]]).view(2, 1, 3, 1)
    weights = criss_cross_weights(q, k)
    assert weights.shape == (2, 1, 3, 5)
    assert weights[0, 0, 0].tolist() == [0.0, 0.25, 0.25, 0.25, 0.25]
    assert criss_cross_sum(weights, v)[0, 0, 0].item() == (1 + 2 + 4 + 8) / 4


def test_it_starts_as_the_identity_with_the_size_of_the_paper() -> None:
    module = CrissCrossAttention(16)
    x = torch.randn(2, 16, 5, 7)
    torch.testing.assert_close(module(x), x, rtol=0, atol=0)
    sizes = {name: tuple(p.shape) for name, p in module.named_parameters()}
    assert sizes["to_q.weight"] == sizes["to_k.weight"] == (2, 16)
    assert sizes["to_v.weight"] == (16, 16)
    # Recurrences share their parameters.
    assert module_of(16, recurrence=4).state_dict().keys() == module.state_dict().keys()


@pytest.mark.parametrize("recurrence", [1, 2])
def test_one_pass_sees_a_cross_and_two_see_everything(recurrence: int) -> None:
    module = module_of(4, recurrence=recurrence)
    x = torch.randn(1, 4, 5, 7, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(module(x)[0, :, 3, 2].sum(), x)
    seen = grad.abs().amax(dim=(0, 1)) > 0
    cross = torch.zeros(5, 7, dtype=torch.bool)
    cross[3], cross[:, 2] = True, True
    assert torch.equal(seen, cross if recurrence == 1 else torch.ones_like(cross))


def test_transposed_input_gives_transposed_output() -> None:
    module = module_of(6)
    x = torch.randn(2, 6, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(module(x.mT).mT, module(x), rtol=1e-12, atol=1e-12)


def test_operations_are_those_of_the_paper() -> None:
    """97 x 97 positions, 512 features: 16.5 GFLOPs (Huang et al. 2019, table 4)."""
    module = CrissCrossAttention(512).to("meta")
    with FlopCounterMode(display=False) as counter:
        module(torch.empty(1, 512, 97, 97, device="meta"))
    positions, features, keys = 97 * 97, 512, 64
    projections = 2 * positions * features * (2 * keys + features)
    attention = 2 * positions * (97 + 97) * (keys + features)
    assert counter.get_total_flops() == 2 * (projections + attention)
    assert round(counter.get_total_flops() / 1e9, 1) == 16.5


@pytest.mark.parametrize("batch", [1, 3])
def test_nothing_of_all_pairs_of_positions_is_kept(batch: int) -> None:
    """Per pass and position: what entered, query, key, value and h + w weights."""
    h, w, d = 23, 29, 16
    module = CrissCrossAttention(d, dim_key=2)
    own = {p.untyped_storage().data_ptr() for p in module.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and tensor.numel() > d * d:
            kept[storage.data_ptr()] = storage.nbytes() // 4
        return tensor

    x = torch.randn(batch, d, h, w)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = module(x)
    assert out.requires_grad
    assert sum(kept.values()) <= 2 * batch * h * w * (d + 2 + 2 + d + h + w)


def test_autocast() -> None:
    """Products in bfloat16, the softmax and what is added to in float32."""
    module = module_of(16).float()
    x = torch.randn(2, 16, 5, 7)
    want = results(module, module, x)
    with torch.autocast("cpu", torch.bfloat16):
        out = module(x)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, want[0], rtol=0.05, atol=0.05)
    out.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.filterwarnings("ignore")  # what the compiler says of itself
def test_compiled() -> None:
    module = module_of(8)
    x = torch.randn(2, 8, 3, 5, dtype=torch.float64)
    want = results(module, module, x)
    for backend in ("eager", "aot_eager"):
        torch._dynamo.reset()
        compiled = torch.compile(copy.deepcopy(module), backend=backend)
        for value, other in zip(want, results(compiled, compiled, x), strict=True):
            torch.testing.assert_close(other, value, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dim": 0}, "dim: expected 1 or more, got 0"),
        ({"dim": 8, "dim_key": 0}, "dim_key: expected 1 or more, got 0"),
        ({"dim": 8, "recurrence": 0}, "recurrence: expected 1 or more, got 0"),
        ({"dim": 8, "dim_index": 0}, "dim_index: expected 1 to 3"),
    ],
)
def test_bad_arguments(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CrissCrossAttention(**arguments)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="x: expected 4 dimensions with 8 features in dimension 1"):
        CrissCrossAttention(8)(torch.zeros(1, 5, 7, 8))
