"""softmax(q kᵀ) v along one axis of a tensor, by the kernel that suits the length of its rows.

b batch, n queries and m keys in a row, e features of one head; an axial shape is (s1, ..., sa).
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["FLASH_LENGTH", "attend", "attend_heads"]

# How a row is computed on a CPU was chosen by measurement of forward + backward: rows of two tokens
# fastest as products and sums of elements, rows up to 128 as two batched products and a softmax,
# longer ones by torch's fused kernel; tests/benchmarks/axial_attention_speed.py shows what comes of
# it. Accelerators always take the fused kernel.

FLASH_LENGTH = 256
"""Rows this long take the fused kernel, which keeps no buffer of (n, n) either."""

MASKED_SCORES = 2**20
"""Scores of one call of the fused kernel with a mask, which it spreads out to (rows, n, m)."""

TINY_PRODUCT = 400
"""Products of matrices with fewer multiplications than this leave MKL for a slow loop in torch."""


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
        bias: (n, m) or (heads, n, m), added to the scores; booleans say who sees whom. One that
            takes a gradient makes torch keep all scores, (b, ..., heads, n, m).
        mask: (b, ...) booleans, m along `axis`: which keys are seen. A query that sees none
            gets zero.
        causal: query i sees keys j ≤ i alone.
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
    plain = bias is None and mask is None and not causal and dropout == 0
    on_cpu = q.device.type == "cpu"
    if plain and on_cpu and n * m * q.shape[-1] < TINY_PRODUCT:
        return _attend_elementwise(q, k, v, axis)
    # (b, rest..., heads, n, e): a view, copied once by the reshape that folds it into rows.
    q, k, v = (part.movedim((-2, axis), (-3, -2)) for part in (q, k, v))
    folded = (*q.shape[:-1], v.shape[-1])
    if plain and on_cpu and max(n, m) < FLASH_LENGTH:
        q, k, v = (part.reshape(-1, *part.shape[-2:]) for part in (q, k, v))
        out = torch.bmm(torch.bmm(q, k.transpose(1, 2)).softmax(-1), v)
    else:
        q, k, v = (part.reshape(-1, *part.shape[-3:]) for part in (q, k, v))
        if causal and not (bias is None and mask is None):
            bias = _causal(bias, q.new_ones(n, m, dtype=torch.bool).tril())
            causal = False
        fused = partial(
            F.scaled_dot_product_attention, dropout_p=dropout, is_causal=causal, scale=1.0
        )
        if mask is None:
            out = fused(q, k, v, attn_mask=bias)
        else:
            mask = mask.movedim(axis, -1).reshape(-1, m)
            rows = max(MASKED_SCORES // (n * m), 1) if max(n, m) >= FLASH_LENGTH else len(q)
            parts = zip(*(torch.split(part, rows) for part in (q, k, v, mask)), strict=True)
            out = torch.cat(
                [fused(q, k, v, attn_mask=_masked(bias, seen)) for q, k, v, seen in parts]
            )
    return out.view(folded).movedim((-3, -2), (-2, axis))


def _causal(bias: Tensor | None, seen: Tensor) -> Tensor:
    if bias is None:
        return seen
    return bias & seen if bias.dtype == torch.bool else bias.masked_fill(~seen, -torch.inf)


def _masked(bias: Tensor | None, mask: Tensor) -> Tensor:
    """(rows, 1 or heads, 1 or n, m) `bias` of rows whose keys are seen where `mask` (rows, m)."""
    mask = mask[:, None, None]
    if bias is None:
        return mask
    return bias & mask if bias.dtype == torch.bool else bias.masked_fill(~mask, -torch.inf)


def _attend_elementwise(q: Tensor, k: Tensor, v: Tensor, axis: int) -> Tensor:
    """`attend_heads` where the tensors lie, without a product of matrices."""
    q, k, v = q.unsqueeze(axis + 1), k.unsqueeze(axis), v.unsqueeze(axis)
    weights = (q * k).sum(-1, keepdim=True).softmax(axis + 1)
    return (weights * v).sum(axis + 1)
