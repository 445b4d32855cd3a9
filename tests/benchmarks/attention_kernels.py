"""Which kernel for which row: python tests/benchmarks/attention_kernels.py

softmax(q kᵀ) v of 8192 tokens and 128 features in heads of 8 to 128, in rows of 2 to 512 tokens:
as sums of elements, as two batched products of matrices, and by torch's fused kernel. Processor
time of one thread in milliseconds, forward and forward + backward, interleaved, medians. Queries,
keys and values lie as `AxialAttention` projects them. A star marks what `attend_heads` takes, by
the thresholds in axialcast/nn/kernels.py; the last column is its time, both ways, over the best.
"""

import torch
from measuring import forward_and_backward, medians, one_thread
from torch import Tensor

from axialcast.nn import kernels

TOKENS, FEATURES = 8192, 128
HEADS, LENGTHS = (8, 16, 32, 64, 128), (2, 3, 4, 6, 8, 16, 32, 64, 128, 256, 512)
LONGEST = {"elements": 8, "products": 256}
"""Rows beyond which a kernel is hopeless."""


def elements(qkv: Tensor) -> Tensor:
    return kernels._attend_elementwise(*qkv.unbind(2), axis=1)


def products(qkv: Tensor) -> Tensor:
    return kernels._attend_products(*(part.transpose(1, 2) for part in qkv.unbind(2))).mT


def fused(qkv: Tensor) -> Tensor:
    return kernels.fused(*(part.transpose(1, 2) for part in qkv.unbind(2)))


def main() -> None:
    print(f"{one_thread()}, ms forward / both\n")
    names = ("elements", "products", "fused")
    print(f"{'head':>5}{'row':>5}" + "".join(f"{name:>19}" for name in names) + "   over best")
    for e in HEADS:
        for n in LENGTHS:
            qkv = torch.randn(TOKENS // n, n, 3, FEATURES // e, e, requires_grad=True)
            runs = {
                (kernel.__name__, way): run
                for kernel in (elements, products, fused)
                if n <= LONGEST.get(kernel.__name__, n)
                for way, run in forward_and_backward(kernel, qkv).items()
            }
            times = medians(runs)
            taken = kernels.plain_kernel(n, n, e)
            cells = ""
            for name in names:
                known = (name, "both") in times
                cell = f"{times[name, 'forward']:.1f} / {times[name, 'both']:.1f}" if known else ""
                cells += f"{cell:>18}" + ("*" if name == taken else " ")
            best = min(value for (_, way), value in times.items() if way == "both")
            print(f"{e:5}{n:5}{cells}{times[taken, 'both'] / best:10.2f}", flush=True)


if __name__ == "__main__":
    main()
