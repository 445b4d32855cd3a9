"""Ways to attend along a row on this machine: python tests/benchmarks/attention_rows.py

Forward + backward of softmax(q kT) v in milliseconds, for rows of several lengths holding 39,168
tokens altogether in 8 heads of 32 features; variants interleaved, medians. It is what
`axialcast.nn.attention` chooses by on a CPU.
"""

import platform
import statistics
import time

import torch
import torch.nn.functional as F

LENGTHS = (2, 9, 17, 32, 64, 128, 256)
TOKENS, HEADS, FEATURES, ROUNDS = 39_168, 8, 32, 7


def elementwise(q, k, v):
    scores = (q.unsqueeze(-2) * k.unsqueeze(-3)).sum(-1).softmax(-1)
    return (scores.unsqueeze(-1) * v.unsqueeze(-3)).sum(-2)


def batched_products(q, k, v):
    q, k, v = (x.flatten(0, 1) for x in (q, k, v))
    return torch.bmm(torch.bmm(q, k.transpose(1, 2)).softmax(-1), v)


def fused(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, scale=1.0)


VARIANTS = (elementwise, batched_products, fused)


def milliseconds(variant, q, k, v):
    start = time.perf_counter()
    variant(q, k, v).sum().backward()
    return 1e3 * (time.perf_counter() - start)


def main():
    torch.set_num_threads(1)
    print(f"{platform.machine()}, torch {torch.__version__}, 1 thread")
    print(f"{'tokens in a row':24}" + "".join(f"{n:>7}" for n in LENGTHS))
    times = {}
    for n in LENGTHS:
        shape = (TOKENS // n, HEADS, n, FEATURES)
        q, k, v = (torch.randn(shape, requires_grad=True) for _ in range(3))
        # Elementwise products of long rows take gigabytes and minutes: no candidate there.
        chosen = [f for f in VARIANTS if n <= 17 or f is not elementwise]
        rounds = [[milliseconds(f, q, k, v) for f in chosen] for _ in range(ROUNDS + 1)][1:]
        for f, values in zip(chosen, zip(*rounds, strict=True), strict=True):
            times[f, n] = statistics.median(values)
    for f in VARIANTS:
        cells = (f"{times[f, n]:7.0f}" if (f, n) in times else f"{'':7}" for n in LENGTHS)
        print(f"{f.__name__.replace('_', ' '):24}" + "".join(cells))


if __name__ == "__main__":
    main()
