"""Processes that share a grid, memory and messages: `python tests/benchmarks/domain.py`.

A training step of ForecastNetwork on one window, in 1, 2 and 4 processes on gloo that share the
latitudes. Memory is how much the largest memory of a process (the kernel's VmHWM: Linux only)
exceeds what it held with libraries warm and the groups made; run with MALLOC_MMAP_THRESHOLD_=65536
in its processes, so that what is given back is given back to the system. What is sent is counted at
the all-to-all and held against the formula in `axialcast.nn.domain`; the last column is what
exchanging halos of ±8 patches would send instead.
"""

import argparse
import gc
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from measuring import machine

import axialcast.nn.domain as domain_module
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork

CHANNELS, DIM, HALO = 8, 96, 8
SENT = []


def network_of(height, width, depth, reversible):
    grid = LatLonGrid.regular(height, width, poles=False)
    torch.manual_seed(0)
    return ForecastNetwork(
        num_channels=CHANNELS,
        grid=grid,
        increment_scale=[1.0] * CHANNELS,
        dim=DIM,
        depth=depth,
        heads=4,
        patch=(1, 2, 2),
        reversible=reversible,
    )


def step(height, width, depth, reversible, group):
    network = network_of(height, width, depth, reversible)
    rows = slice(0, height) if group is None else network.share(group)
    states = torch.zeros(1, 2, CHANNELS, rows.stop - rows.start, width)
    calendar = torch.zeros(1, 2, 2)
    for _ in range(2):
        network(states, calendar).square().sum().backward()
    return network


def held(name):
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    return 1024 * int(found[1])


def measure(args):
    torch.set_num_threads(1)
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo")
    group = dist.group.WORLD if size > 1 else None
    step(4 * size, 16, 1, args.reversible, group)  # warms the libraries and the connections
    gc.collect()
    dist.barrier()
    exchange = domain_module._exchanged

    def counted(data, sent, received, group):
        SENT.append(4 * (sum(sent) - sent[rank]))
        if data.requires_grad:  # whose gradient goes back the same way
            SENT.append(4 * (sum(received) - received[rank]))
        return exchange(data, sent, received, group)

    domain_module._exchanged = counted
    Path("/proc/self/clear_refs").write_text("5")
    before = held("VmRSS")
    step(args.height, args.width, args.depth, args.reversible, group)
    peak = held("VmHWM") - before
    dist.barrier()
    print(peak, sum(SENT) / 2)  # of two steps
    dist.destroy_process_group()


def run(size, args):
    """Largest memory and bytes sent of so many processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {
        **os.environ,
        "MALLOC_MMAP_THRESHOLD_": "65536",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "GLOO_SOCKET_IFNAME": "lo",
        "WORLD_SIZE": str(size),
        "OMP_NUM_THREADS": "1",
    }
    shape = ["--height", str(args.height), "--width", str(args.width), "--depth", str(args.depth)]
    kind = ["--reversible"] if args.reversible else []
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, *shape, *kind],
            env=environment | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    said = [process.communicate(timeout=600)[0].split() for process in processes]
    return max(int(one[0]) for one in said), max(float(one[1]) for one in said)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--height", type=int, default=120)
    parser.add_argument("--width", type=int, default=240)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--reversible", action="store_true")
    args = parser.parse_args()
    if "RANK" in os.environ:
        measure(args)
        return
    print(f"{machine()}, torch {torch.__version__}, 1 thread a process, MB a process\n")
    print(f"{'':22}{'memory':>8}{'ratio':>7}{'sent':>9}{'formula':>9}{'halos':>8}")
    for args.reversible in (False, True):
        tokens = 2 * (args.height // 2) * (args.width // 2)
        alone = None
        for size in (1, 2, 4):
            peak, sent = run(size, args)
            alone = alone or peak
            rounds = 6 if args.reversible else 4
            values = tokens * DIM * 4 * args.depth
            formula = rounds * (size - 1) / size**2 * values
            halos = (size > 1) * rounds * HALO / (args.height // 2) * values
            name = f"{'reversible' if args.reversible else 'plain'}, {size} processes"
            print(
                f"{name:22}{peak / 1e6:8.0f}{peak / alone:7.2f}{sent / 1e6:9.1f}"
                f"{formula / 1e6:9.1f}{halos / 1e6:8.1f}"
            )


if __name__ == "__main__":
    main()
