"""DistributedDataParallel around reversible blocks, in one process: its hooks are what differs."""

import copy
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from axialcast.nn import AxialTransformer


@pytest.fixture
def process_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"static_graph": True},
        {"find_unused_parameters": True},
        {"gradient_as_bucket_view": True},
    ],
    ids=lambda options: next(iter(options), "default"),
)
def test_gradients_with_data_parallelism(options: dict[str, bool]) -> None:
    """Three steps, the second of them accumulated from two backward passes under `no_sync`."""
    torch.manual_seed(0)
    plain = AxialTransformer(
        8, 2, num_dimensions=2, heads=2, shape=(1, 5), dropout=0.2, reversible=False
    ).double()
    reversible = copy.deepcopy(plain)
    reversible.layers.reversible = True
    x = torch.randn(3, 2, 1, 5, 8, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parallel = DistributedDataParallel(reversible, **options)
        for step in range(3):
            torch.manual_seed(step)
            plain(x[step]).pow(3).sum().backward()
            torch.manual_seed(step)
            if step == 1:
                with parallel.no_sync():
                    parallel(x[step]).pow(3).sum().backward()
            else:
                parallel(x[step]).pow(3).sum().backward()
            for name, want in plain.named_parameters():
                got = reversible.get_parameter(name).grad
                torch.testing.assert_close(got, want.grad, rtol=1e-10, atol=1e-10, msg=name)
