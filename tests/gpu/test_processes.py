"""Two processes on one card, by gloo: NCCL wants a card for each.

Run as a program, this file is one of them: it compares and exits with an error.
"""

import copy
import os
import subprocess
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from axialcast.nn import AxialTransformer


def test_gradients_of_two_processes_on_one_card(gpu: torch.device, tmp_path: Path) -> None:
    command = [sys.executable, __file__, str(gpu), str(tmp_path / "store")]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    options = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    processes = [
        subprocess.Popen([*command, str(rank)], env=environment, **options) for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=120)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output


def compare(rank: int, device: torch.device) -> None:
    """The mean gradient over the processes, reversible, against both batches in one, plain."""
    torch.manual_seed(0)
    plain = AxialTransformer(16, 4, num_dimensions=2, heads=2, shape=(5, 7), reversible=False)
    plain = plain.to(device)
    reversible = copy.deepcopy(plain)
    reversible.layers.reversible = True
    batches, weights = torch.randn(2, 2, 3, 5, 7, 16).to(device)
    parallel = DistributedDataParallel(reversible)
    (parallel(batches[rank]) * weights[rank]).sum().backward()
    for batch, weight in zip(batches, weights, strict=True):
        (plain(batch) * weight).sum().backward()
    for name, want in plain.named_parameters():
        got = reversible.get_parameter(name).grad
        torch.testing.assert_close(got, want.grad / 2, rtol=1e-3, atol=1e-4, msg=name)


if __name__ == "__main__":
    device, store, rank = torch.device(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    compare(rank, device)
    dist.barrier()
    dist.destroy_process_group()
    os._exit(0)  # an ordinary exit may be aborted by gloo's threads
