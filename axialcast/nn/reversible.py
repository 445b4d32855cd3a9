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
    ) -> tuple[Tensor, Tensor]:
        """(y1, y2), each of the shape of x1 and x2; keyword arguments go to f and to g."""
        y1 = x1 + self.f(x2, **f_kwargs or {})
        return y1, x2 + self.g(y1, **g_kwargs or {})

    def inverse(self, y1: Tensor, y2: Tensor) -> tuple[Tensor, Tensor]:
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

    FSDP2: apply `fully_shard` to the branches `block.f` and `block.g`, or to parts of them; each is
    gathered once in the forward and once in the backward pass. A block that is sharded itself is
    checkpointed instead and keeps the streams that enter it: its parameters are there in whole only
    inside a call of it, which begins with what the way back finds last. Sharding the network
    around the sequence changes nothing. A compiled graph (`torch.compile`) breaks at the sequence;
    values stay the same.

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
        if any(_is_sharded(block) for block in self.blocks):
            return self._checkpointed(x, f_kwargs, g_kwargs)
        branches: list[_Branch] = []
        for block in self.blocks:
            assert isinstance(block, ReversibleBlock)
            branches += [(block.f, f_kwargs), (block.g, g_kwargs)]
        count = max(len(branches) - 2 * self.keep, 0)
        x1 = x2 = x
        if self.reversible and torch.is_grad_enabled():
            x1, x2 = _Pass(branches[:count], x.device)(x1, x2)
            branches = branches[count:]
        for branch, inputs in branches:
            x1, x2 = x2, x1 + branch(x2, **inputs)
        return (x1 + x2) / 2

    def _checkpointed(
        self, x: Tensor, f_kwargs: dict[str, Any], g_kwargs: dict[str, Any]
    ) -> Tensor:
        x1 = x2 = x
        for block in self.blocks:
            if self.reversible:
                x1, x2 = checkpoint(block, x1, x2, f_kwargs, g_kwargs, use_reentrant=False)
            else:
                x1, x2 = block(x1, x2, f_kwargs, g_kwargs)
        return (x1 + x2) / 2


def _is_sharded(module: nn.Module) -> bool:
    """Whether `fully_shard` was applied to the module itself."""
    if not (dist.is_available() and dist.is_initialized()):
        return False
    from torch.distributed.fsdp import FSDPModule  # slow to import, so only where it can matter

    return isinstance(module, FSDPModule)


_Branch = tuple[nn.Module, dict[str, Any]]
"""A branch and the keyword arguments it is called with."""


class _Pass:
    """One pass through branches f, g, f, g, ..., each a node of the graph, and their way back.

    Of the streams between the branches none is kept: each node takes those that left it from the
    node after it, which recovered them, and the last keeps its own. A pass has its own state, for a
    sequence may be used twice in one graph.
    """

    def __init__(self, branches: Sequence[_Branch], device: torch.device) -> None:
        self.branches, self.device = branches, device
        self.recovered: tuple[Tensor, Tensor] | None = None
        self.random_states: list[RandomState] = []
        self.sharded: list[bool] = []
        """Per branch, whether processes share it, or parts of it."""
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

    def __call__(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
        apply = cast(Callable[..., tuple[Tensor, Tensor]], _Node.apply)
        for index, (branch, kwargs) in enumerate(self.branches):
            inputs = [value for value in kwargs.values() if isinstance(value, Tensor)]
            sharded = any(_is_sharded(part) for part in branch.modules())
            self.sharded.append(sharded)
            if sharded and any(p.requires_grad for p in branch.parameters()):
                # Parameters get their gradients by themselves, but the node must be reached.
                inputs.append(torch.zeros((), device=x1.device, requires_grad=True))
            parameters = [] if sharded else [*branch.parameters()]
            wanted = [t for t in (*parameters, *inputs) if t.requires_grad]
            x1, x2 = apply(self, index, x1, x2, *wanted)
        return x1, x2

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

    def again(self, index: int, x: Tensor, **others: Tensor) -> Tensor:
        """Branch `index` of x once more, with a graph; some keyword arguments by others."""
        branch, kwargs = self.branches[index]
        kwargs = {**kwargs, **others}
        with random_state_kept(self.device), torch.enable_grad(), self.autocast():
            self.random_states[index].restore()
            out: Tensor = branch(x, **kwargs)
        return out

    def again_backwards(
        self, index: int, x: Tensor, grad: Tensor
    ) -> tuple[Tensor, Tensor | None, list[Tensor | None]]:
        """Branch `index`, sharded, of x once more, and the gradients of x and of its arguments.

        Parameters that `fully_shard` shares among processes are there in whole only while the
        branch is called or its backward pass is on, and what adds up their gradients hangs on them:
        they get theirs by themselves, in a backward pass of the branch's own.
        """
        named = self.branches[index][1].items()
        others = {
            name: value.detach().requires_grad_()
            for name, value in named
            if isinstance(value, Tensor) and value.requires_grad
        }
        out = self.again(index, x, **others)
        if out.requires_grad:
            torch.autograd.backward(out, grad.to(out.dtype))
        return out, x.grad, [value.grad for value in others.values()]

    @contextmanager
    def buffers_kept(self, index: int) -> Iterator[None]:
        """Sets what branch `index` updates back at the end, when no graph needs it any more."""
        before = [buffer.clone() for buffer in self.updated[index]]
        yield
        for buffer, value in zip(self.updated[index], before, strict=True):
            buffer.copy_(value)


class _Node(torch.autograd.Function):
    """(x1, x2) → (x2, x1 + branch(x2)), which keeps neither.

    The parameters are inputs of the node and their gradients its results. They reach `.grad` by
    the way of any other gradient, as soon as the branch is done: hooks on it
    (DistributedDataParallel's among them) run once, and while the other branches are still to come.
    """

    @staticmethod
    def forward(
        ctx: Any, run: _Pass, index: int, x1: Tensor, x2: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.run, ctx.index, ctx.tensors = run, index, tensors
        y1, y2 = x2, x1 + run.first(index, x2)
        if index == len(run.branches) - 1:
            ctx.save_for_backward(y1, y2)
        return y1, y2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy1: Tensor, dy2: Tensor) -> tuple[Tensor | None, ...]:
        run: _Pass = ctx.run
        is_last = ctx.index == len(run.branches) - 1
        y1, y2 = ctx.saved_tensors if is_last else cast(tuple[Tensor, Tensor], run.recovered)
        run.recovered = None
        x2 = y1.detach().requires_grad_()
        with run.buffers_kept(ctx.index):
            if run.sharded[ctx.index]:
                out, dx2, grads = run.again_backwards(ctx.index, x2, dy2)
                grads += [None] * (len(ctx.tensors) - len(grads))
            else:
                out = run.again(ctx.index, x2)
                dx2, *grads = _gradients(out, [x2, *ctx.tensors], dy2)
        run.recovered = (y2 - out.detach(), x2.detach()) if ctx.index else None
        return None, None, dy2, _total(dy1, dx2), *grads


def _gradients(out: Tensor, inputs: list[Tensor], grad: Tensor) -> Sequence[Tensor | None]:
    if not out.requires_grad:
        return [None] * len(inputs)
    # Under autocast a branch may return another dtype than the stream it is added to.
    return torch.autograd.grad(out, inputs, grad.to(out.dtype), allow_unused=True)


def _total(total: Any, grad: Any) -> Any:
    """Sum of two gradients, None being zero."""
    if total is None or grad is None:
        return grad if total is None else total
    return total + grad
