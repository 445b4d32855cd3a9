"""An axis shared by processes: values and gradients are those of one process.

Run as a program, this file is one of the processes: it compares and exits with an error.
"""

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.profiler import ProfilerActivity, profile

from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork
from axialcast.nn import AxialAttention, AxialImageTransformer
from axialcast.nn.domain import Domain, share_axis

DIM = 12
ATTENTIONS = {
    "none": {},
    "sequential": {"sum_axial_out": False, "position": "rotary"},
    "learned": {"position": "learned", "shape": (5, 7)},
    "learned elsewhere": {"position": "learned", "shape": (4, 9)},
    "sinusoidal": {"position": "sinusoidal", "periodic": (True, False)},
    "rotary": {"position": "rotary", "periodic": (True, True)},
    "relative": {"position": "relative", "shape": (5, 7), "periodic": (False, True)},
    "windows": {"span": (3, 5), "periodic": (True, False), "position": "rotary"},
    "causal": {"causal": (True, True), "qk_norm": True},
}
NETWORKS = {
    "learned": {},
    "plain": {"reversible": False, "position": "rotary"},
    "time patches": {"patch": (2, 3, 2), "input_steps": 2, "position": "sinusoidal"},
    "region": {"longitudes": 60, "position": "none"},
    "told": {"num_static": 2, "forcings": ["toa_incoming_shortwave_flux"]},
}


@pytest.mark.parametrize("world_size", [2, 4])
def test_values_and_gradients(world_size: int, tmp_path: Path) -> None:
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(tmp_path / "store"), str(world_size)],
            env=environment | {"RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world_size)
    ]
    try:
        errors = [process.communicate(timeout=120)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, error in zip(processes, errors, strict=True):
        assert process.returncode == 0, error


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield dist.group.WORLD
    dist.destroy_process_group()


def test_one_process_shares_with_itself(alone) -> None:
    torch.manual_seed(0)
    layer = AxialAttention(DIM, heads=2, position="rotary")
    x = torch.randn(2, 5, 7, DIM)
    expected = layer(x)
    share_axis(layer, Domain(alone, 0, 5))
    torch.testing.assert_close(layer(x), expected)
    share_axis(layer, None)
    assert layer.domain is None
    assert copy.deepcopy(Domain(alone, 0, 5)) == Domain(alone, 0, 5)


def test_what_cannot_share_an_axis_says_so(alone) -> None:
    with pytest.raises(ValueError, match=r"AlongAxis looks along axes and cannot share one"):
        share_axis(AxialImageTransformer(DIM, 1, heads=2), Domain(alone, 0, 5))


def shared(world_size: int) -> None:
    """Every case, in this process."""
    group = dist.group.WORLD
    for options in ATTENTIONS.values():
        for axis in (0, 1):
            check_attention(axis, group, options, masked=False)
    for options in (ATTENTIONS["rotary"], ATTENTIONS["windows"]):
        check_attention(0, group, options, masked=True)
    for options in NETWORKS.values():
        for engine in ("none", "ddp", "fsdp"):
            check_network(group, options, engine)
    check_rows(group)
    check_exchanges(group)
    with pytest.raises(ValueError, match=f"{world_size} processes cannot share an axis of"):
        Domain(group, 0, world_size - 1)
    network = network_of({"patch": (1, 11 if world_size == 2 else 4, 2)})
    with pytest.raises(ValueError, match="more processes than rows of patches, of which 11 lat"):
        network.share(group)


def check_rows(group) -> None:
    """There and back is where it was, also with fewer rows than processes; one exchange each."""
    domain = Domain(group, 0, 11)
    for num_rows in (1, 2, 3, 13):
        whole = torch.arange(num_rows * 11 * 2.0).view(num_rows, 11, 2)
        mine = domain._edges(num_rows)
        rows = domain.to_rows(whole[:, domain.band])
        assert torch.equal(rows, whole[mine[domain.rank] : mine[domain.rank + 1]])
        assert torch.equal(domain.to_bands(rows, num_rows), whole[:, domain.band])
        sizes = [band.stop - band.start for band in domain.bands]
        assert torch.equal(domain.put_together(whole[:, domain.band], 1, sizes), whole)


def check_exchanges(group) -> None:
    """One each way for a layer, again for its gradient, and again where it is evaluated again."""
    for reversible, engine, expected in (
        (False, "none", 4 + 4),
        (True, "none", 4 + 4 + 2),  # the last layer is not
        (True, "fsdp", 4 + 4 + 2),
    ):
        network = network_of({"reversible": reversible})
        rows = network.share(group)
        if engine == "fsdp":
            shard(network)
        states = torch.randn(2, 2, 3, *network.shape, dtype=torch.float64)[..., rows, :]
        calendar = torch.rand(2, 2, 5, dtype=torch.float64)
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            network(states, calendar).sum().backward()
        names = [event.name for event in seen.events()]
        assert names.count("_c10d_functional::all_to_all_single") == expected


def check_attention(axis: int, group, options: dict, *, masked: bool) -> None:
    torch.manual_seed(1)
    layer = AxialAttention(DIM, heads=2, **options).double()
    alone = copy.deepcopy(layer)
    x = torch.randn(3, 5, 7, DIM, dtype=torch.float64)
    mask = torch.rand(3, 5, 7) < 0.7 if masked else None
    domain = Domain(group, axis, x.shape[axis + 1])
    share_axis(layer, domain)
    band = (slice(None),) * (axis + 1) + (domain.band,)
    whole, own = x.clone().requires_grad_(), x[band].clone().requires_grad_()
    expected = alone(whole, mask)
    got = layer(own, None if mask is None else mask[band])
    close(got, expected[band])
    expected.pow(3).sum().backward()
    got.pow(3).sum().backward()
    close(own.grad, whole.grad[band])
    check_gradients(layer, alone)


def network_of(options: dict) -> ForecastNetwork:
    options = dict(options)
    longitudes = np.arange(0, options.pop("longitudes", 360), 30.0)
    grid = LatLonGrid(np.linspace(80, -80, 11), longitudes)
    torch.manual_seed(2)
    settings = {"dim": DIM, "depth": 2, "heads": 2, "patch": (1, 2, 2), **options}
    network = ForecastNetwork(num_channels=3, grid=grid, increment_scale=[0.5, 1, 2], **settings)
    nn.init.normal_(network.body.head.project.weight)
    network.set_static(np.random.default_rng(0).standard_normal((network.num_static, *grid.shape)))
    return network.double()


def check_network(group, options: dict, engine: str) -> None:
    network = network_of(options)
    alone = copy.deepcopy(network)
    states = torch.randn(2, 2, 3, *alone.shape, dtype=torch.float64)
    calendar = torch.rand(2, 2, 5, dtype=torch.float64)
    rows = network.share(group)
    model = network
    if engine == "ddp":
        model = DistributedDataParallel(network)
    elif engine == "fsdp":
        shard(network)
    own = states[..., rows, :].clone().requires_grad_()
    whole = states.clone().requires_grad_()
    expected, got = alone(whole, calendar), model(own, calendar)
    close(got, expected[..., rows, :])
    expected.pow(2).sum().backward()
    scale = 1 if engine == "none" else dist.get_world_size()  # the engines divide
    (scale * got.pow(2).sum()).backward()
    close(own.grad / scale, whole.grad[..., rows, :])
    check_gradients(network, alone, summed=engine != "none")


def shard(network: ForecastNetwork) -> None:
    from torch.distributed.fsdp import fully_shard

    for block in network.body.transformer.layers.blocks:
        fully_shard(block)
    fully_shard(network)


def check_gradients(module: nn.Module, alone: nn.Module, *, summed: bool = False) -> None:
    for name, parameter in alone.named_parameters():
        got = module.get_parameter(name).grad
        assert got is not None, name
        got = got.full_tensor() if hasattr(got, "full_tensor") else got.clone()
        if not summed:
            dist.all_reduce(got)
        close(got, parameter.grad, name)


def close(got: Tensor, expected: Tensor, name: str = "") -> None:
    torch.testing.assert_close(
        got, expected, rtol=1e-10, atol=1e-10, msg=lambda text: f"{name}: {text}"
    )


if __name__ == "__main__":
    place, size = sys.argv[1], int(sys.argv[2])
    dist.init_process_group(
        "gloo", init_method=f"file://{place}", rank=int(os.environ["RANK"]), world_size=size
    )
    shared(size)
    dist.destroy_process_group()
