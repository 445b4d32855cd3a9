"""How processes share a training: who has which windows, whose gradients are added up.

Engines of torch do the work: DistributedDataParallel (Li et al. 2020), which keeps the weights
whole on every process and adds up the gradients while the backward pass goes on, or `fully_shard`
(FSDP2, Zhao et al. 2023), which shares weights, gradients and the optimizer as well.
"""

import inspect
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from axialcast import parallel
from axialcast.model import ForecastNetwork
from axialcast.nn.reversible import ReversibleBlock

__all__ = ["Processes"]

BUFFERS = ("forward_sync_buffers", "broadcast_buffers")
"""What versions of torch call it, the newest first."""


@dataclass(frozen=True)
class Processes:
    """The processes of a training.

    Args:
        kind: ddp, fsdp, or none for one process.
        rank, world_size: this process among all.
        domain_ranks: how many share each window; these are neighbours.
    """

    kind: Literal["ddp", "fsdp", "none"] = "none"
    rank: int = 0
    world_size: int = 1
    domain_ranks: int = 1

    @classmethod
    def joined(
        cls,
        kind: Literal["auto", "ddp", "fsdp", "none"] = "auto",
        *,
        domain_ranks: int = 1,
        batch_size: int,
        accumulate: int = 1,
    ) -> "Processes":
        """Those that were started together.

        Raises:
            ValueError: their number does not fit the other arguments.
        """
        me = parallel.launch()
        if kind == "none" and me.world_size > 1:
            raise ValueError(
                f"train.parallel: none, but {me.launcher} started {me.world_size} processes; "
                "choose ddp or fsdp, or start one"
            )
        if me.world_size % domain_ranks:
            raise ValueError(
                f"train.domain_ranks: {domain_ranks} does not divide the {me.world_size} "
                f"processes; start a multiple of {domain_ranks}"
                + (" by torchrun or srun" if me.world_size == 1 else ", or choose a divisor")
            )
        parts = me.world_size // domain_ranks * accumulate
        if batch_size < parts:
            several = f", {accumulate} parts on each" if accumulate > 1 else ""
            raise ValueError(
                f"train.batch_size: {batch_size} windows are too few for {parts // accumulate} "
                f"processes{several}; choose at least {parts}"
            )
        if me.world_size == 1:
            return cls()
        return cls("fsdp" if kind == "fsdp" else "ddp", me.rank, me.world_size, domain_ranks)

    @property
    def data_rank(self) -> int:
        """Which part of a batch's windows this process has."""
        return self.rank // self.domain_ranks

    @property
    def data_ranks(self) -> int:
        """In how many parts a batch's windows are shared."""
        return self.world_size // self.domain_ranks

    def share(self, network: ForecastNetwork) -> slice:
        """Lets neighbours share every window, where `domain_ranks` asks for it.

        Returns:
            The rows of the grid that this process has.

        Raises:
            ValueError: the grid has fewer rows of patches than there are neighbours.
        """
        if self.domain_ranks == 1:
            return slice(None)
        kind = next(network.parameters()).device.type
        try:
            return network.share(parallel.neighbours(self.domain_ranks, kind))
        except ValueError as error:
            raise ValueError(f"train.domain_ranks: {error}") from None

    def shard(self, network: nn.Module) -> None:
        """Shares a network's parameters among the processes, where that is the kind.

        Raises:
            ValueError: some of the processes share a GPU.
        """
        if self.kind != "fsdp":
            return
        try:
            parallel.check_own_gpus(next(network.parameters()).device.type)
        except ValueError as error:
            raise ValueError(f"train.parallel: fsdp {error}, or choose ddp") from None
        from torch.distributed.fsdp import fully_shard

        for block in [part for part in network.modules() if isinstance(part, ReversibleBlock)]:
            fully_shard(block)
        # Averages are never in a backward pass, which would share the rest again.
        fully_shard(network, reshard_after_forward=True)

    def wrap(self, objective: nn.Module) -> nn.Module:
        """A module of the same values, whose backward pass adds up gradients over processes.

        Gradients come out divided by the number of processes.
        """
        if self.kind != "ddp":
            return objective
        # What is added up together, and so in which order, would change after the first step of a
        # process; where unused parameters are looked for it does not, and a training that goes on
        # has the same bits. (There are none: `joined` silences the remark.)
        # Buffers are constants or functions of the weights: nothing to send.
        options = inspect.signature(DistributedDataParallel).parameters
        buffers = next(name for name in BUFFERS if name in options)
        return DistributedDataParallel(
            objective,
            gradient_as_bucket_view=True,
            find_unused_parameters=True,
            **{buffers: False},  # type: ignore[arg-type]
        )

    def adding_up(self, objective: nn.Module, now: bool) -> AbstractContextManager[Any]:
        """Within the context, a backward pass adds up gradients over processes only if `now`.

        Shared weights do so always: to put it off, each process would hold all gradients whole.
        """
        if self.kind != "ddp" or now:
            return nullcontext()
        assert isinstance(objective, DistributedDataParallel)
        return objective.no_sync()

    def total(self, values: Tensor) -> Tensor:
        """The sum over the processes, in place, on every process."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values


def whole(tensor: Tensor) -> Tensor:
    """A tensor that processes share, put together on every one; others as they are."""
    full = getattr(tensor, "full_tensor", None)
    return tensor if full is None else full()


def is_shared(tensor: Tensor) -> bool:
    """Whether each process holds a part of a tensor."""
    return hasattr(tensor, "device_mesh")


def own_part(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor; sharing its memory."""
    local = getattr(tensor, "to_local", None)
    return tensor if local is None else local()


def shared_like(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, the same on every process, shared as another one is."""
    mesh = getattr(like, "device_mesh", None)
    if mesh is None:
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    # Each process cuts out its own part: nothing is sent.
    return distribute_tensor(value.to(mesh.device_type), mesh, like.placements, src_data_rank=None)
