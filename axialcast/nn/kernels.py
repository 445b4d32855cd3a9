"""softmax(q kᵀ) v along one axis of a tensor, by the kernel that suits the length of its rows.

b batch, r rows, n queries and m keys in a row, e features of one head; an axial shape is
(s1, ..., sa).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from axialcast.nn.masking import among, spread

__all__ = ["FLASH_LENGTH", "attend", "attend_heads", "in_parts"]

FLASH_LENGTH = 256
"""Rows this long take a kernel that never has all of their n x m scores in memory."""

FLASH_HEAD, FLASH_TOKENS, FLASH_ROW = 64, 64, 1024
"""Features e, tokens of a row, or numbers m e of its keys, from which it is as fast as products."""

TINY_PRODUCT = 400
"""Products of matrices with fewer multiplications than this leave MKL for a slow loop in torch."""

QUERIES, SCORES = 128, 2**19
"""Queries of a long row, and scores in all, that are held at a time where scores must be held."""

GPU_SCORES = 2**26
"""The same on an accelerator, which wants much to do at a time."""

GPU_TINY, GPU_SHORT = 9, 32
"""Scores of a row, n m, and tokens, up to which a GPU's fused kernel, which pads n to 128, loses.

By the table of tests/benchmarks/attention_kernels.py --cuda.
"""

GPU_ROWS, GPU_NUMBERS = 65_535, 2**31 - 1
"""Rows, and numbers padded to whole tiles, that a GPU's fused kernels take in one call."""


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    axis: int,
    heads: int,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    causal: bool = False,
    dropout: float = 0.0,
) -> Tensor:
    """softmax(q kᵀ + bias) v along `axis`, per head and per index of every other dimension.

    Args:
        q: (b, ..., heads e) queries, already scaled, n of them along `axis`.
        k: (b, ..., heads e) keys, m of them along `axis`.
        v: (b, ..., heads e) values, m of them along `axis`.
        bias: (2 n - 1) or (heads, 2 n - 1), added to the scores by the step from query to key,
            1 - n to n - 1; booleans say which steps are seen. Step 0 must be; n = m.
        mask: (b, ...) booleans, m along `axis`: which keys are seen. A query that sees none
            gets zero.
        causal: query i sees keys j ≤ i alone; n = m.
        dropout: probability to drop a weight.

    Returns:
        Shape of q.
    """
    q, k, v = (part.view(*part.shape[:-1], heads, -1) for part in (q, k, v))
    return attend_heads(
        q, k, v, axis=axis, bias=bias, mask=mask, causal=causal, dropout=dropout
    ).flatten(-2)


def attend_heads(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    axis: int,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    causal: bool = False,
    dropout: float = 0.0,
) -> Tensor:
    """`attend` of q, k and v (b, ..., heads, e), in the same shape."""
    n, m = q.shape[axis], k.shape[axis]
    plain = bias is None and mask is None and dropout == 0
    on_cpu = q.device.type == "cpu"
    choose = plain_kernel if on_cpu else gpu_kernel
    kernel = choose(n, m, q.shape[-1]) if plain and not causal else None
    if kernel == "elements":
        return _attend_elementwise(q, k, v, axis)
    # (b, rest..., heads, n, e): a view, copied by a reshape that folds it into rows if it must be.
    q, k, v = (part.movedim((-2, axis), (-3, -2)) for part in (q, k, v))
    folded = (*q.shape[:-1], v.shape[-1])
    q, k, v = (part.reshape(-1, *part.shape[-3:]) for part in (q, k, v))
    blind = None
    if mask is not None:
        # The fused kernel spreads a mask out to (r, n, m) unless its last stride is 1.
        mask = mask.movedim(axis, -1).reshape(-1, m).contiguous()
        if not on_cpu:
            # Of keys of which none is seen cuDNN's kernel takes the mean.
            blind = ~mask.any(-1, keepdim=True)
            mask = mask | blind
    if causal and not plain:
        seen = torch.arange(1 - n, n, device=q.device) <= 0
        bias, causal = seen if bias is None else among(bias, seen), False
    if kernel == "products":
        out = _attend_products(q, k, v)
    elif bias is None and dropout == 0:
        seen_keys = None if mask is None else mask[:, None, None]
        out = fused(q, k, v, seen_keys, is_causal=causal)
    elif max(n, m) < FLASH_LENGTH or not (on_cpu or n * m > GPU_SCORES or _has_scores(bias, mask)):
        out = _attend_part(q, k, v, mask, 0, bias, dropout)
    elif bias is None or mask is not None or dropout > 0 or _is_trained(bias):
        out = in_parts(_attend_part, q, k, v, mask, bias, dropout, random=dropout > 0)
    else:
        # Keys backwards: then all (n, n) biases are a view of those by step, row i from its ith.
        view = _numbers(bias, q.dtype).flip(-1).unfold(-1, n, 1)
        out = fused(q, k.flip(-2), v.flip(-2), view.view(1, -1, n, n))
    if blind is not None:
        out = out.masked_fill(blind[:, :, None, None], 0.0)
    return out.view(folded).movedim((-3, -2), (-2, axis))


def plain_kernel(n: int, m: int, e: int) -> Literal["elements", "products", "fused"]:
    """The fastest way on a CPU, forward and backward, for n queries and m keys of e features.

    By the table of tests/benchmarks/attention_kernels.py.
    """
    if m == 2 or n * m * e < TINY_PRODUCT:
        return "elements"
    short = e < FLASH_HEAD and max(n, m) < FLASH_TOKENS and m * e < FLASH_ROW
    return "products" if short else "fused"


def gpu_kernel(n: int, m: int, e: int) -> Literal["elements", "products", "fused"]:
    """The same on any other device, for e = 16 to 64.

    The fused kernel is flash in 16 bits, the memory-efficient one in float32.
    """
    if n * m <= GPU_TINY:
        return "elements"
    return "products" if max(n, m) < GPU_SHORT else "fused"


def fused(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor | None = None,
    *,
    dropout: float = 0.0,
    is_causal: bool = False,
) -> Tensor:
    """torch's fused kernel of rows (r, heads, n, e), as many at a time as the device takes.

    Args:
        bias: (r or 1, heads or 1, n or 1, m), added to the scores; booleans say what is seen.
    """
    call = partial(scaled_dot_product_attention, dropout_p=dropout, is_causal=is_causal, scale=1.0)
    rows = rows_at_once(q, k)
    if len(q) <= rows:
        return call(q, k, v, bias)
    parts: list[Any] = [torch.split(t, rows) for t in (q, k, v)]
    split = bias is not None and len(bias) > 1
    parts.append(torch.split(bias, rows) if split and bias is not None else [bias] * len(parts[0]))
    return torch.cat([call(*part) for part in zip(*parts, strict=True)])


def rows_at_once(q: Tensor, k: Tensor) -> int:
    """Rows of q and k (r, heads, n, e) that one call of a fused kernel takes.

    A GPU's grid of blocks has at most 65,535 rows (torch up to 2.7 refuses more), and the flash
    kernel's backward pass counts its accumulator, padded to whole tiles, in 32 bits.
    """
    if q.device.type == "cpu":
        return max(len(q), 1)
    tokens = -(-max(q.shape[2], k.shape[2]) // 128) * 128
    features = -(-q.shape[-1] // 64) * 64
    return max(min(GPU_ROWS, GPU_NUMBERS // (q.shape[1] * tokens * features)), 1)


def _attend_products(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q_rows, k_rows, v_rows = (part.flatten(0, 1) for part in (q, k, v))
    return torch.bmm(torch.bmm(q_rows, k_rows.mT).softmax(-1), v_rows).view(*q.shape[:-1], -1)


def _attend_elementwise(q: Tensor, k: Tensor, v: Tensor, axis: int) -> Tensor:
    """`attend_heads` where the tensors lie, without a product of matrices."""
    if k.shape[axis] == 2:
        return _attend_pair(q, k, v, axis)
    q, k, v = q.unsqueeze(axis + 1), k.unsqueeze(axis), v.unsqueeze(axis)
    # CUDA's autocast adds up in float32.
    weights = (q * k).sum(-1, keepdim=True).softmax(axis + 1).to(v.dtype)
    return (weights * v).sum(axis + 1).to(v.dtype)


def _attend_pair(q: Tensor, k: Tensor, v: Tensor, axis: int) -> Tensor:
    """The same for two keys: v₀ + σ(q (k₁ - k₀)) (v₁ - v₀), the softmax over two written out."""
    (k_0, k_1), (v_0, v_1) = torch.split(k, 1, axis), torch.split(v, 1, axis)
    weight = (q * (k_1 - k_0)).sum(-1, keepdim=True).sigmoid().to(v.dtype)
    return torch.addcmul(v_0, weight, v_1 - v_0)


def _attend_part(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    start: int,
    bias: Tensor | None,
    dropout: float,
) -> Tensor:
    """`attend` of rows (r, heads, n', e) whose first query is that at `start`, and mask (r, m)."""
    if bias is not None:
        bias = spread(_numbers(bias, q.dtype), start, start + q.shape[-2])
        bias = bias.view(1, -1, *bias.shape[-2:])
    if mask is not None:
        seen = mask[:, None, None]
        bias = seen if bias is None else bias.masked_fill(~seen, -torch.inf)
    return fused(q, k, v, bias, dropout=dropout)


def _is_trained(bias: Tensor) -> bool:
    return bias.requires_grad and torch.is_grad_enabled()


def _has_scores(bias: Tensor | None, mask: Tensor | None) -> bool:
    """Whether a number for each score of each row is made: a bias with masks, or its gradient."""
    return bias is not None and (mask is not None or _is_trained(bias))


def _numbers(bias: Tensor, dtype: torch.dtype) -> Tensor:
    """`bias` as numbers, 0 and -inf if it says who is seen."""
    if bias.dtype == torch.bool:
        nothing = torch.zeros(bias.shape, dtype=dtype, device=bias.device)
        return nothing.masked_fill(~bias, -torch.inf)
    return bias.to(dtype)


def in_parts(
    part: Callable[..., Tensor],
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    *arguments: Any,
    random: bool = False,
) -> Tensor:
    """part(q, k, v, mask, start, *arguments) of rows (r, heads, n, e), a few queries at a time.

    `start` is the index of the first of the queries in their row. The backward pass computes each
    part anew, so that only q, k, v and the result are kept.

    Args:
        random: whether the part draws random numbers.
    """
    scores = SCORES if q.device.type == "cpu" else GPU_SCORES
    queries = max(min(QUERIES, scores // (q.shape[1] * k.shape[2])), 1)
    rows = max(scores // (q.shape[1] * k.shape[2] * queries), 1)
    if torch.is_grad_enabled():
        part = partial(checkpoint, part, use_reentrant=False, preserve_rng_state=random)
    # Split once: the gradients of slices would each be as large as the whole.
    masks = [None] * len(q) if mask is None else torch.split(mask, rows)
    out = []
    for some_q, some_k, some_v, some in zip(
        *(torch.split(t, rows) for t in (q, k, v)), masks, strict=False
    ):
        few = torch.split(some_q, queries, dim=2)
        parts = [
            part(few_q, some_k, some_v, some, index * queries, *arguments)
            for index, few_q in enumerate(few)
        ]
        out.append(torch.cat(parts, 2))
    return torch.cat(out)
