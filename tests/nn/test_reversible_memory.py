"""What reversible blocks keep for the backward pass, and who else may handle it."""

import copy

import pytest
import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from axialcast.nn import ReversibleSequence

DIM = 7


def branch(dropout: float = 0.0) -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm(DIM), nn.Linear(DIM, 11), nn.GELU(), nn.Dropout(dropout), nn.Linear(11, DIM)
    )


def pair_of(
    depth: int = 3, dropout: float = 0.0, keep: int = 1
) -> tuple[ReversibleSequence, ReversibleSequence]:
    """The same network, reversible and plain, in float64."""
    torch.manual_seed(0)
    blocks = [(branch(dropout), branch(dropout)) for _ in range(depth)]
    reversible = ReversibleSequence(blocks, keep=keep).double()
    plain = copy.deepcopy(reversible)
    plain.reversible = False
    return reversible, plain


def gradients(module: nn.Module, x: Tensor, times: int = 1) -> dict[str, Tensor | None]:
    module.zero_grad()
    x = x.detach().clone().requires_grad_(x.requires_grad)
    torch.manual_seed(5)
    out = x
    for _ in range(times):
        out = module(out)
    out.square().sum().backward()
    return {"out": out, "x": x.grad, **{n: p.grad for n, p in module.named_parameters()}}


def assert_equal(want: dict[str, Tensor | None], got: dict[str, Tensor | None]) -> None:
    for name, value in want.items():
        other = got[name]
        assert (value is None) == (other is None), name
        if value is not None and other is not None:
            torch.testing.assert_close(other, value, rtol=1e-10, atol=1e-10, msg=name)


def saved_bytes(module: nn.Module, x: Tensor) -> int:
    """Bytes that the graph keeps for the backward pass, parameters aside."""
    own = {p.untyped_storage().data_ptr() for p in module.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = module(x)
    assert out.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_memory_does_not_grow_with_depth(keep: int) -> None:
    """Two streams, and what a plain block keeps for each of the last blocks that keep theirs."""
    x = torch.randn(64, DIM, dtype=torch.float64, requires_grad=True)
    sizes = {}
    for depth in (3, 5, 9):
        reversible, plain = pair_of(depth)
        reversible.keep = keep
        sizes[depth] = saved_bytes(reversible, x), saved_bytes(plain, x)
    of_a_block = (sizes[9][1] - sizes[5][1]) / 4
    assert sizes[3][0] == sizes[9][0] <= 2 * x.numel() * 8 + keep * of_a_block
    assert sizes[9][1] > 2 * sizes[3][1]


def test_without_gradients_nothing_is_kept() -> None:
    reversible, plain = pair_of()
    x = torch.randn(3, DIM, dtype=torch.float64)
    with torch.inference_mode():
        torch.testing.assert_close(reversible(x), plain(x))
    reversible.requires_grad_(False)
    assert not reversible(x).requires_grad


@pytest.mark.filterwarnings("ignore")  # what the compiler says of itself
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled(backend: str) -> None:
    """The sequence breaks the compiled graph; what is around it and in it may be compiled."""
    reversible, plain = pair_of(2, dropout=0.4)
    x = torch.randn(2, 3, DIM, dtype=torch.float64, requires_grad=True)
    torch._dynamo.reset()
    around = nn.Sequential(nn.Tanh(), reversible, nn.Tanh())
    want = gradients(nn.Sequential(nn.Tanh(), plain, nn.Tanh()), x)
    compiled = torch.compile(around, backend=backend)
    got = gradients(compiled, x)
    assert_equal(want, {name.removeprefix("_orig_mod."): value for name, value in got.items()})
    reversible.keep = 0
    assert saved_bytes(compiled, x) < 5 * x.numel() * 8  # still reversible


def test_saved_tensors_may_be_moved_away_and_recomputed() -> None:
    """Offloading hooks and checkpoints around the sequence find all it keeps."""
    reversible, plain = pair_of(dropout=0.4)
    x = torch.randn(2, DIM, dtype=torch.float64, requires_grad=True)
    want = gradients(plain, x)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().numpy(), torch.from_numpy):
        assert_equal(want, gradients(reversible, x))

    class Checkpointed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.utils.checkpoint.checkpoint(reversible, x, use_reentrant=False)

    got = gradients(Checkpointed(), x)
    torch.testing.assert_close(got["x"], want["x"], rtol=1e-10, atol=1e-10)
