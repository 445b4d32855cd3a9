"""Reversible residual blocks: activation memory that does not grow with depth.

x1, x2 are the two streams that enter a block, y1, y2 those that leave it, all of one shape.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from axialcast.nn.random_states import RandomState, random_state_kept

__all__ = ["ReversibleBlock", "ReversibleSequence"]


class Branch(nn.Module):
    """One residual branch; `net` is its name in the state dicts of the original."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, **kwargs: Any) -> Tensor:
        out: Tensor = self.net(x, **kwargs)
        if out.shape != x.shape:
            raise ValueError(
                f"blocks: a reversible branch must keep its input's shape {tuple(x.shape)}, "
                f"{type(self.net).__name__} returned {tuple(out.shape)}"
            )
        return out


class ReversibleBlock(nn.Module):
    """y1 = x1 + f(x2), y2 = x2 + g(y1): a residual block that can be run backwards.

    Gomez et al. 2017, equation 8. The inverse is x2 = y2 - g(y1), x1 = y1 - f(x2).

    Args:
        f: module that keeps the shape of its input.
        g: likewise.
    """

    def __init__(self, f: nn.Module, g: nn.Module) -> None:
        super().__init__()
        self.f = Branch(f)
        self.g = Branch(g)

    def forward(
        self,
        x1: Tensor,
        x2: Tensor,
        f_kwargs: dict[str, Any] | None = None,
        g_kwargs: dict[str, Any] | None = None,
        run: "_Pass | None" = None,
    ) -> tuple[Tensor, Tensor]:
        """(y1, y2), each of the shape of x1 and x2; keyword arguments go to f and to g.

        With a `run` the graph of the branches is not kept.
        """
        if run is None:
            y1 = x1 + self.f(x2, **f_kwargs or {})
            return y1, x2 + self.g(y1, **g_kwargs or {})
        y1 = run(self.f, f_kwargs or {}, x1, x2)
        return y1, run(self.g, g_kwargs or {}, x2, y1)

    def inverse(self, y1: Tensor, y2: Tensor) -> tuple[Tensor, Tensor]:
        """The inputs of which the block made these outputs, but for rounding."""
        x2 = y2 - self.g(y1)
        return y1 - self.f(x2), x2


class ReversibleSequence(nn.Module):
    """Reversible blocks one after another, x to the mean of the two streams that start as x.

    Training keeps the streams that enter the last block and what that block keeps: the backward
    pass runs the blocks before it backwards to recover what entered them, evaluates their branches
    a second time (under the random numbers and the autocast of the first), and takes the gradient.
    Each branch's gradients are complete before the branch ahead of it is evaluated, so they may be
    added up, or reduced over processes, meanwhile; frozen blocks at the front are not evaluated
    again. Gradients are those of the plain network, up to the rounding of the recovered streams:
    keep the input in float32 or better. A drop-in for
    `axial_attention.reversible.ReversibleSequence`.

    FSDP2: apply `fully_shard` to each block; it is gathered once in the forward and once in the
    backward pass. Where parts of a block are sharded by themselves, which exist in whole only
    inside a call of them, blocks are checkpointed instead and keep the streams that enter them. A
    compiled graph (`torch.compile`) breaks at the sequence; values stay the same.

    Branches must be functions of their inputs, parameters and buffers; buffers that one updates
    (batch normalisation's statistics) are updated once. Gradients of gradients are not available;
    `reversible=False` gives them.

    Args:
        blocks: pairs (f, g) of modules that keep the shape of their input.
        reversible: False runs the same function with ordinary autograd: memory grows with depth,
            and a training step saves the second evaluation.
        keep: number of the last blocks that keep their activations, which saves their second
            evaluation. The backward pass wants those of the last block first of all: to keep them
            costs little at its peak, and nothing that grows with depth.

    Shape: any, kept.
    """

    def __init__(
        self, blocks: Iterable[Sequence[nn.Module]], *, reversible: bool = True, keep: int = 1
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ReversibleBlock(f, g) for f, g in blocks)
        self.reversible = reversible
        if keep < 0:
            raise ValueError(f"keep: expected a number of blocks, 0 or more, got {keep}")
        self.keep = keep

    def forward(
        self, x: Tensor, arg_route: tuple[bool, bool] = (True, True), **kwargs: Any
    ) -> Tensor:
        """Mean of the last block's streams; `kwargs` go to every f and g that `arg_route` names."""
        f_kwargs, g_kwargs = (kwargs if route else {} for route in arg_route)
        count = max(len(self.blocks) - self.keep, 0)
        run, call = None, _called
        if self.reversible and torch.is_grad_enabled():
            if _has_sharded_branches(self.blocks):
                count, call = len(self.blocks), partial(checkpoint, use_reentrant=False)
            else:
                run = _Pass(2 * count, x.device)
        x1 = x2 = x
        for index, block in enumerate(self.blocks):
            if index < count:
                x1, x2 = call(block, x1, x2, f_kwargs, g_kwargs, run)
            else:
                x1, x2 = block(x1, x2, f_kwargs, g_kwargs)
        return (x1 + x2) / 2


def _called(block: nn.Module, *args: Any) -> Any:
    return block(*args)


def _has_sharded_branches(blocks: nn.ModuleList) -> bool:
    """Whether `fully_shard` was applied to branches of the blocks, or to anything in them."""
    if not (dist.is_available() and dist.is_initialized()):
        return False
    from torch.distributed.fsdp import FSDPModule  # slow to import, so only where it can matter

    return any(isinstance(m, FSDPModule) and m is not b for b in blocks for m in b.modules())


class _Pass:
    """One pass through branches f, g, f, g, ..., each a node of the graph, and their way back.

    Of the streams between the branches none is kept: each node takes those that left it from the
    node after it, which recovered them, and the last keeps its own. A pass has its own state, for a
    sequence may be used twice in one graph.

    Args:
        count: branches in all.
        device: of the streams.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        self.count, self.device = count, device
        self.branches: list[tuple[nn.Module, dict[str, Any]]] = []
        """Those that have run, with the keyword arguments they were called with."""
        self.recovered: tuple[Tensor, Tensor] | None = None
        self.random_states: list[RandomState] = []
        self.updated: list[list[Tensor]] = []
        """Per branch, the buffers that it changed, such as running statistics."""
        kind = "cpu" if device.type == "meta" else device.type  # which has no autocast
        self.autocast = partial(
            torch.autocast,
            kind,
            dtype=torch.get_autocast_dtype(kind),
            enabled=torch.is_autocast_enabled(kind),
            # A cast cached while no graph is recorded would cut the weight off from its gradient.
            cache_enabled=False,
        )

    def __call__(self, branch: nn.Module, kwargs: dict[str, Any], x1: Tensor, x2: Tensor) -> Tensor:
        """x1 + branch(x2), which is the x2 of the next call, whose x1 is this x2."""
        self.branches.append((branch, kwargs))
        inputs = [value for value in kwargs.values() if isinstance(value, Tensor)]
        wanted = [t for t in (*branch.parameters(), *inputs) if t.requires_grad]
        apply = cast(Callable[..., Tensor], _Node.apply)
        return apply(self, len(self.branches) - 1, x1, x2, *wanted)

    def first(self, index: int, x: Tensor) -> Tensor:
        """Branch `index` of x, noting what its replay takes."""
        branch, kwargs = self.branches[index]
        self.random_states.append(RandomState.now(self.device))
        versions = [(buffer, buffer._version) for buffer in branch.buffers()]
        with self.autocast():
            out: Tensor = branch(x, **kwargs)
        # Kernels that keep running statistics do not count as writers of their buffers.
        running = [part for part in branch.modules() if hasattr(part, "running_mean")]
        updated = [buffer for part in running for buffer in part.buffers(recurse=False)]
        updated += [buffer for buffer, version in versions if buffer._version != version]
        self.updated.append(list({id(buffer): buffer for buffer in updated}.values()))
        return out

    def again(self, index: int, x: Tensor) -> Tensor:
        """Branch `index` of x once more, with a graph."""
        branch, kwargs = self.branches[index]
        with random_state_kept(self.device), torch.enable_grad(), self.autocast():
            self.random_states[index].restore()
            out: Tensor = branch(x, **kwargs)
        return out

    @contextmanager
    def buffers_kept(self, index: int) -> Iterator[None]:
        """Sets what branch `index` updates back at the end, when no graph needs it any more."""
        before = [buffer.clone() for buffer in self.updated[index]]
        yield
        for buffer, value in zip(self.updated[index], before, strict=True):
            buffer.copy_(value)


class _Node(torch.autograd.Function):
    """x1, x2 → x1 + branch(x2), which keeps neither.

    The parameters are inputs of the node and their gradients its results. They reach `.grad` by
    the way of any other gradient, as soon as the branch is done: hooks on it
    (DistributedDataParallel's among them) run once, and while the other branches are still to come.
    """

    @staticmethod
    def forward(
        ctx: Any, run: _Pass, index: int, x1: Tensor, x2: Tensor, *tensors: Tensor
    ) -> Tensor:
        ctx.run, ctx.index, ctx.tensors = run, index, tensors
        y2 = x1 + run.first(index, x2)
        if index == run.count - 1:
            ctx.save_for_backward(x2, y2)
        return y2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy2: Tensor) -> tuple[Tensor | None, ...]:
        run: _Pass = ctx.run
        is_last = ctx.index == run.count - 1
        x2, y2 = ctx.saved_tensors if is_last else cast(tuple[Tensor, Tensor], run.recovered)
        run.recovered = None
        x2 = x2.detach().requires_grad_()
        with run.buffers_kept(ctx.index):
            out = run.again(ctx.index, x2)
            dx2, *grads = _gradients(out, [x2, *ctx.tensors], dy2)
        run.recovered = (y2 - out.detach(), x2.detach()) if ctx.index else None
        return None, None, dy2, dx2, *grads


def _gradients(out: Tensor, inputs: list[Tensor], grad: Tensor) -> Sequence[Tensor | None]:
    if not out.requires_grad:
        return [None] * len(inputs)
    # Under autocast a branch may return another dtype than the stream it is added to.
    return torch.autograd.grad(out, inputs, grad.to(out.dtype), allow_unused=True)
