"""Multi-head attention over a sequence, and how it is applied along one axis of a tensor.

b batch, n tokens, m tokens attended to, d features, e features of one head.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from axialcast.nn.kernels import attend_heads
from axialcast.nn.listening import Heard, weights_of

__all__ = ["FUSE_TOKENS", "AlongAxis", "SelfAttention"]

FUSE_TOKENS = 4
"""Times d tokens from which one product of matrices for q, k and v together pays.

It reads the input once and leaves one gradient of it, but writes the weights anew beside each
other: 3 d² numbers, which is much where 400 tokens have 512 features.
"""


class SelfAttention(nn.Module, Heard):
    """Multi-head attention over the tokens of a sequence, (b, n, d) to (b, n, d).

    softmax(q kᵀ / √e) v per head, with q = x Wq and (k, v) = y Wkv without bias, and an output
    projection with one (Vaswani et al. 2017, section 3.2.2). A drop-in for
    `axial_attention.SelfAttention`: same arguments, state dict, results.

    Args:
        dim: features d.
        heads: number of heads.
        dim_heads: features e of one head; d / heads if not given.

    Raises:
        ValueError: if `dim_heads` is not given and `heads` does not divide `dim`.
    """

    def __init__(self, dim: int, heads: int, dim_heads: int | None = None) -> None:
        super().__init__()
        if dim < 1 or heads < 1:
            raise ValueError(f"dim, heads: expected positive numbers, got dim={dim}, heads={heads}")
        if dim_heads is None and dim % heads:
            raise ValueError(
                f"heads: expected a divisor of dim={dim}, got {heads}; change it or give dim_heads"
            )
        self.dim = dim
        self.heads = heads
        self.dim_heads = dim // heads if dim_heads is None else dim_heads
        inner = self.heads * self.dim_heads
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_kv = nn.Linear(dim, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, dim)

    def forward(self, x: Tensor, kv: Tensor | None = None) -> Tensor:
        """Attend from x (b, n, d) to itself, or to `kv` (b, m, d); returns (b, n, d)."""
        for name, tokens in (("x", x), ("kv", kv)):
            if tokens is not None and (tokens.ndim != 3 or tokens.shape[-1] != self.dim):
                raise ValueError(
                    f"{name}: expected shape (b, n, {self.dim}), got {tuple(tokens.shape)}"
                )
        if kv is None:
            q, k, v = self.project(x)
        else:
            q = self.to_q(x).view(*x.shape[:-1], self.heads, -1) * self.dim_heads**-0.5
            k, v = self.to_kv(kv).view(*kv.shape[:-1], 2, self.heads, -1).unbind(-3)
        out: Tensor = self.to_out(self.attend(q, k, v, axis=1).flatten(-2))
        return out

    def attend(
        self,
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
        """`attend_heads`, whose weights whoever listens is told."""
        if self.listener is not None:
            self.listener(weights_of(q, k, axis=axis, bias=bias, mask=mask, causal=causal))
        return attend_heads(
            q, k, v, axis=axis, bias=bias, mask=mask, causal=causal, dropout=dropout
        )

    def project(self, x: Tensor) -> Sequence[Tensor]:
        """Queries, times e^-1/2, keys and values of x (..., d), each (..., heads, e)."""
        # Features are divided before they are taken apart: the gradients of the parts are then
        # written into one buffer as they come, and not made contiguous one by one before.
        if _is_exported() or x.numel() >= FUSE_TOKENS * self.dim**2:
            fused = F.linear(x, self.fused_weight())
            return fused.view(*x.shape[:-1], 3, self.heads, -1).unbind(-3)
        q: Tensor = self.to_q(x).view(*x.shape[:-1], self.heads, -1) * self.dim_heads**-0.5
        return q, *self.to_kv(x).view(*x.shape[:-1], 2, self.heads, -1).unbind(-3)

    def fused_weight(self) -> Tensor:
        """(3 heads e, d) weights of query, key and value in one, the query's times e^-1/2.

        Scaling d² weights is far cheaper than scaling a query per token, and one product of
        matrices leaves one gradient of the input to compute instead of two to add.
        """
        return torch.cat([self.to_q.weight * self.dim_heads**-0.5, self.to_kv.weight])

    def value_weight(self) -> Tensor:
        """(heads e, d) weights of the value, all that attention over one token takes.

        The query's have a part of zero, so that their gradient is zero and not missing:
        DistributedDataParallel waits for every parameter.
        """
        return self.to_kv.weight.chunk(2)[1] + 0 * self.to_q.weight


def _is_exported() -> bool:
    """Whether a program for any number of sequences is traced, which must not ask for theirs."""
    known = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)  # torch 2.6
    return bool(known())


class AlongAxis(nn.Module):
    """Applies `fn`, a module on (b, n, d), along one axis of a tensor.

    Args:
        axis: dimension of the tensor that becomes n; every other one joins the batch.
        channel: dimension of the tensor that holds the features.
    """

    def __init__(self, axis: int, channel: int, fn: nn.Module) -> None:
        super().__init__()
        self.axis = axis
        self.channel = channel
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        moved = x.movedim((self.axis, self.channel), (-2, -1))
        out: Tensor = self.fn(moved.reshape(-1, *moved.shape[-2:]))
        return out.reshape(moved.shape).movedim((-2, -1), (self.axis, self.channel))
