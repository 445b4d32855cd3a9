"""Reversible blocks under DistributedDataParallel and FSDP2, in one process and in two on gloo.

Run as a program, this file is one of the two processes: it compares and exits with an error.
"""

import copy
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from axialcast.nn import AxialTransformer, ReversibleSequence

DDP_OPTIONS = [
    {},
    {"static_graph": True},
    {"find_unused_parameters": True},
    {"gradient_as_bucket_view": True},
]


def pair_of(depth: int = 2) -> tuple[AxialTransformer, AxialTransformer]:
    """The same network, plain and reversible, in float64 and with dropout."""
    torch.manual_seed(0)
    plain = AxialTransformer(
        8, depth, num_dimensions=2, heads=2, shape=(1, 5), dropout=0.2, reversible=False
    ).double()
    reversible = copy.deepcopy(plain)
    reversible.layers.reversible = True
    return plain, reversible


def backward(module: nn.Module, x: Tensor, seed: int) -> None:
    torch.manual_seed(seed)
    module(x).pow(3).sum().backward()


@pytest.fixture
def process_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("options", DDP_OPTIONS, ids=lambda options: next(iter(options), "default"))
def test_gradients_with_data_parallelism(options: dict[str, bool]) -> None:
    """Three steps, the second of them accumulated from two backward passes under `no_sync`."""
    plain, reversible = pair_of()
    x = torch.randn(3, 2, 1, 5, 8, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parallel = DistributedDataParallel(reversible, **options)
        for step in range(3):
            backward(plain, x[step], step)
            if step == 1:
                with parallel.no_sync():
                    backward(parallel, x[step], step)
            else:
                backward(parallel, x[step], step)
            for name, want in plain.named_parameters():
                got = reversible.get_parameter(name).grad
                torch.testing.assert_close(got, want.grad, rtol=1e-10, atol=1e-10, msg=name)


@pytest.mark.parametrize("case", ["data_parallel", "fully_sharded"])
def test_gradients_in_two_processes(case: str, tmp_path: Path) -> None:
    command = [sys.executable, __file__, case, str(tmp_path / "store")]
    # gloo on the loopback device; one thread each.
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [*command, str(rank)],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output


def averaged_gradients(plain: nn.Module, steps: list[Tensor]) -> dict[str, Tensor]:
    """Sum over `steps` (process, ...) of the mean over processes, process i seeded with i."""
    plain.zero_grad()
    for step in steps:
        for rank, x in enumerate(step):
            backward(plain, x, rank)
    return {name: p.grad / 2 for name, p in plain.named_parameters()}


def data_parallel(rank: int) -> None:
    for options in DDP_OPTIONS:
        plain, reversible = pair_of()
        steps = list(torch.randn(3, 2, 2, 1, 5, 8, dtype=torch.float64))
        parallel = DistributedDataParallel(reversible, **options)
        backward(parallel, steps[0][rank], rank)
        compare(reversible, averaged_gradients(plain, steps[:1]), str(options))
        # As DistributedDataParallel documents, a static graph is for one pass per step.
        if "static_graph" not in options:
            parallel.zero_grad()
            with parallel.no_sync():
                backward(parallel, steps[1][rank], rank)
            backward(parallel, steps[2][rank], rank)
            compare(reversible, averaged_gradients(plain, steps[1:]), f"{options}, no_sync")


def fully_sharded(rank: int) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (2,))

    def whole(module: AxialTransformer) -> None:
        fully_shard(module, mesh=mesh)

    def whole_freed_between(module: AxialTransformer) -> None:
        fully_shard(module, mesh=mesh, reshard_after_forward=True)

    def blocks_and_rest(module: AxialTransformer) -> None:
        for block in module.layers.blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(module, mesh=mesh)

    def branches_and_rest(module: AxialTransformer) -> None:
        for block in module.layers.blocks:
            fully_shard(block.f.net, mesh=mesh)
            fully_shard(block.g, mesh=mesh)
        fully_shard(module, mesh=mesh)

    def the_sequence(module: AxialTransformer) -> None:
        fully_shard(module.layers, mesh=mesh)
        fully_shard(module, mesh=mesh)

    ways: list[Callable[[AxialTransformer], None]] = [
        whole,
        whole_freed_between,
        blocks_and_rest,
        branches_and_rest,
        the_sequence,
    ]
    for shard in ways:
        plain, sharded = pair_of()
        shard(sharded)
        for step in torch.randn(2, 2, 2, 1, 5, 8, dtype=torch.float64):
            sharded.zero_grad()
            backward(sharded, step[rank], rank)
            compare(sharded, averaged_gradients(plain, [step]), shard.__name__)

    # More blocks keep no more, and gradients of two backward passes add up.
    kept = []
    for depth in (3, 5):
        plain, sharded = pair_of(depth)
        blocks_and_rest(sharded)
        steps = list(torch.randn(2, 2, 2, 1, 5, 8, dtype=torch.float64))
        for step in steps:
            backward(sharded, step[rank], rank)
        compare(sharded, averaged_gradients(plain, steps), f"{depth} blocks")
        kept.append(kept_bytes(sharded, steps[0][rank]))
    assert kept[0] == kept[1], kept
    arguments_of_sharded_branches(rank)


class Shifted(nn.Module):
    """A branch that takes another tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor, shift: Tensor) -> Tensor:
        out: Tensor = self.linear(x + shift)
        return out


def arguments_of_sharded_branches(rank: int) -> None:
    """Gradients of what branches take besides the stream, some of them frozen."""
    from torch.distributed.fsdp import fully_shard

    torch.manual_seed(0)
    plain = ReversibleSequence([(Shifted(), Shifted()) for _ in range(3)], reversible=False)
    plain.double().blocks[1].requires_grad_(False)
    sharded = copy.deepcopy(plain)
    sharded.reversible = True
    for block in sharded.blocks:
        fully_shard(block)
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    shift = torch.randn(5, 8, dtype=torch.float64, requires_grad=True)
    want = [
        torch.autograd.grad(plain(x[i], shift=2 * shift).pow(3).sum(), shift)[0] for i in (0, 1)
    ]
    sharded(x[rank], shift=2 * shift).pow(3).sum().backward()
    torch.testing.assert_close(shift.grad, want[rank], rtol=1e-10, atol=1e-10)
    for i in (0, 1):
        (plain(x[i], shift=2 * shift.detach()).pow(3).sum() / 2).backward()
    for name, parameter in plain.named_parameters():
        grad = sharded.get_parameter(name).grad
        assert (grad is None) == (parameter.grad is None), name
        if grad is not None:
            torch.testing.assert_close(grad.full_tensor(), parameter.grad, rtol=1e-10, atol=1e-10)


def kept_bytes(module: nn.Module, x: Tensor) -> int:
    """Bytes that a forward pass keeps for the backward pass."""
    sizes: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = module(x.clone().requires_grad_())
    del out
    return sum(sizes.values())


def compare(module: nn.Module, want: dict[str, Tensor], message: str) -> None:
    for name, parameter in module.named_parameters():
        got = parameter.grad
        assert got is not None, f"{message}: {name} has no gradient"
        got = got.full_tensor() if hasattr(got, "full_tensor") else got
        torch.testing.assert_close(
            got, want[name], rtol=1e-10, atol=1e-10, msg=lambda m, n=name: f"{message}, {n}: {m}"
        )


if __name__ == "__main__":
    case, store, rank = sys.argv[1:]
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=int(rank), world_size=2)
    {"data_parallel": data_parallel, "fully_sharded": fully_sharded}[case](int(rank))
    dist.barrier()
    dist.destroy_process_group()
    # All is checked. An ordinary exit now and then ends in "terminate called without an active
    # exception" (torch 2.13, gloo, FSDP2), seldom with the barrier, often without.
    os._exit(0)
