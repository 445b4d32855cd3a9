"""Which kernel for which row: python tests/benchmarks/attention_kernels.py [--cuda]

softmax(q kᵀ) v of tokens in rows of 2 to 512, with 128 features in heads of 8 to 128 (on a GPU 256
in heads of 16 to 64): as sums of elements, as two batched products of matrices, and by torch's
fused kernel. Milliseconds forward and forward + backward, interleaved, medians: processor time of
one thread for 8192 tokens, or a GPU's time for 262,144 in float32 and in bfloat16, by autocast as
a network computes. Queries, keys and values lie as `AxialAttention` projects them. A star marks
what `attend_heads` takes, by the thresholds in axialcast/nn/kernels.py; the last column is its
time, both ways, over the best.
"""

import argparse

import torch
from measuring import forward_and_backward, medians, one_thread
from torch import Tensor

from axialcast.nn import kernels

LENGTHS = (2, 3, 4, 6, 8, 16, 32, 64, 128, 256, 512)
CPU_SIZES = {"tokens": 8192, "features": 128, "heads": (8, 16, 32, 64, 128)}
GPU_SIZES = {"tokens": 2**18, "features": 256, "heads": (16, 32, 64)}
LONGEST = {"elements": 8, "products": 256}
"""Rows beyond which a kernel is hopeless."""


def elements(qkv: Tensor) -> Tensor:
    return kernels._attend_elementwise(*qkv.unbind(2), axis=1)


def products(qkv: Tensor) -> Tensor:
    return kernels._attend_products(*(part.transpose(1, 2) for part in qkv.unbind(2))).mT


def fused(qkv: Tensor) -> Tensor:
    return kernels.fused(*(part.transpose(1, 2) for part in qkv.unbind(2)))


def table(device: torch.device, dtype: torch.dtype) -> None:
    names = ("elements", "products", "fused")
    print(f"{'head':>5}{'row':>5}" + "".join(f"{name:>19}" for name in names) + "   over best")
    on_cpu = device.type == "cpu"
    sizes = CPU_SIZES if on_cpu else GPU_SIZES
    choose = kernels.plain_kernel if on_cpu else kernels.gpu_kernel
    for e in sizes["heads"]:
        for n in LENGTHS:
            shape = (sizes["tokens"] // n, n, 3, sizes["features"] // e, e)
            qkv = torch.randn(shape, dtype=dtype, device=device, requires_grad=True)
            runs = {
                (kernel.__name__, way): run
                for kernel in (elements, products, fused)
                if n <= LONGEST.get(kernel.__name__, n)
                for way, run in forward_and_backward(kernel, qkv).items()
            }
            with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
                times = medians(runs, device=device)
            taken = choose(n, n, e)
            cells = ""
            for name in names:
                known = (name, "both") in times
                cell = f"{times[name, 'forward']:.2f} / {times[name, 'both']:.2f}" if known else ""
                cells += f"{cell:>18}" + ("*" if name == taken else " ")
            best = min(value for (_, way), value in times.items() if way == "both")
            print(f"{e:5}{n:5}{cells}{times[taken, 'both'] / best:10.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cuda", action="store_true")
    if not parser.parse_args().cuda:
        print(f"{one_thread()}, ms forward / both\n")
        table(torch.device("cpu"), torch.float32)
        return
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, ms forward / both")
    for dtype in (torch.float32, torch.bfloat16):
        print(f"\n{dtype}")
        table(torch.device("cuda"), dtype)


if __name__ == "__main__":
    main()
