"""Multi-head attention along the axes of a tensor.

b batch, n tokens, d features, e features of one head, a axes; an axial shape is (s1, ..., sa).
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from axialcast.nn.position import apply_rotary, check_channel, check_per_axis, rotary_table

__all__ = ["AxialAttention", "SelfAttention"]

# How a row is computed on a CPU, by measurement of forward + backward (one core of an AMD EPYC,
# 39 168 rows of 2 to 153 of 256 tokens, e = 32). Accelerators always take the fused kernel.
#
#     tokens in a row                         2    9   17   32   64  128  256
#     products and sums of elements          14                                ms
#     two batched products and a softmax     53   22   21   20   33   61  149  ms
#     torch's fused (flash) kernel           57   47   32   35   42   63  114  ms

FLASH_LENGTH = 256
"""Rows this long take the fused kernel, which keeps no buffer of (n, n) either."""

TINY_PRODUCT = 400
"""Products of matrices with fewer multiplications than this leave MKL for a slow loop in torch."""


class SelfAttention(nn.Module):
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
            q, k, v = F.linear(x, self.fused_weight()).chunk(3, dim=-1)
        else:
            q = F.linear(x, self.to_q.weight * self.dim_heads**-0.5)
            k, v = self.to_kv(kv).chunk(2, dim=-1)
        out: Tensor = self.to_out(attend(q, k, v, axis=1, heads=self.heads))
        return out

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


class AxialAttention(nn.Module):
    """Attention along each axis in turn, over tensors of any number of axes.

    Each axis has its own `SelfAttention`; the results are summed, or each is the input of the
    next (Ho et al. 2019, section 3). A drop-in for `axial_attention.AxialAttention`: same
    arguments, state dict, results; the keyword-only arguments go beyond it.

    Args:
        dim: features d.
        num_dimensions: number of axes a.
        heads: number of heads.
        dim_heads: features e of one head; d / heads if not given.
        dim_index: dimension that holds the features, negative ones counting from the last.
        sum_axial_out: sum the results of the axes; otherwise run through them one after another.
        rotary: turn queries and keys by their position on the axis (Su et al. 2021).
        periodic: per axis, whether it closes on itself, so that rolling the input along it
            rolls the output; only positions depend on it. No axis if not given.
        shape: per axis, the size that rotary positions refer to; another size is taken to
            cover the same domain at another resolution. Unit spacing if not given.

    Shape: (b, s1, ..., sa) with d inserted at `dim_index`; input and output are alike.

    Raises:
        ValueError: if an argument or the input's shape does not fit.

    Example:
        >>> AxialAttention(dim=64, dim_index=1, heads=8)(torch.zeros(1, 64, 5, 7)).shape
        torch.Size([1, 64, 5, 7])
    """

    def __init__(
        self,
        dim: int,
        num_dimensions: int = 2,
        heads: int = 8,
        dim_heads: int | None = None,
        dim_index: int = -1,
        sum_axial_out: bool = True,
        *,
        rotary: bool = False,
        periodic: Sequence[bool] | None = None,
        shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.num_dimensions = num_dimensions
        self.channel = check_channel("dim_index", dim_index, num_dimensions)
        self.sum_axial_out = sum_axial_out
        self.rotary = rotary
        self.periodic = check_per_axis("periodic", periodic, num_dimensions, False)
        self.shape = check_per_axis("shape", shape, num_dimensions, None)
        axes = [axis for axis in range(1, num_dimensions + 2) if axis != self.channel]
        self.axial_attentions = nn.ModuleList(
            AlongAxis(axis, self.channel, SelfAttention(dim, heads, dim_heads)) for axis in axes
        )
        self.heads = heads
        self.dim_heads = self.attentions()[0].dim_heads
        if rotary and self.dim_heads % 2:
            raise ValueError(
                f"dim_heads: rotary positions turn pairs of features, got {self.dim_heads}; "
                "choose an even number"
            )

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != self.num_dimensions + 2 or x.shape[self.channel] != self.dim:
            raise ValueError(
                f"x: expected {self.num_dimensions + 2} dimensions with {self.dim} features in "
                f"dimension {self.channel}, got shape {tuple(x.shape)}"
            )
        x = x.movedim(self.channel, -1)
        if self.sum_axial_out:
            x = self._over_axes(x, range(self.num_dimensions))
        else:
            for index in range(self.num_dimensions):
                x = self._over_axes(x, [index])
        return x.movedim(-1, self.channel)

    def attentions(self) -> list[SelfAttention]:
        """The attention along each axis."""
        return [cast(SelfAttention, module.fn) for module in self.axial_attentions]

    def _over_axes(self, x: Tensor, indices: Sequence[int]) -> Tensor:
        """Sum of attention over the axes `indices` of x (b, s1, ..., sa, d).

        One product projects into queries, keys and values of all axes and one projects their
        results back. Splitting by `split` and not by slices gives one gradient buffer, where
        every slice would fill its own with zeros.
        """
        attentions = [self.attentions()[index] for index in indices]
        # Attention over an axis of one element is its value: no query, no key.
        parts = [1 if x.shape[index + 1] == 1 else 3 for index in indices]
        weights = [
            fn.value_weight() if n == 1 else fn.fused_weight()
            for fn, n in zip(attentions, parts, strict=True)
        ]
        projected = F.linear(x, weights[0] if len(weights) == 1 else torch.cat(weights))
        pieces = torch.split(projected, self.heads * self.dim_heads, dim=-1)
        results = []
        for index, n in zip(indices, parts, strict=True):
            mine, pieces = pieces[:n], pieces[n:]
            results.append(mine[0] if n == 1 else self._along(index, *mine))
        if len(attentions) == 1:
            out: Tensor = attentions[0].to_out(results[0])
            return out
        weight = torch.cat([fn.to_out.weight for fn in attentions], dim=1)
        # Added one by one: the gradients of a stack's sum would all lie in the same memory, and
        # adding to one of them in place (a second backward pass does) would add to all.
        bias: Tensor = attentions[0].to_out.bias
        for fn in attentions[1:]:
            bias = bias + fn.to_out.bias
        return F.linear(torch.cat(results, dim=-1), weight, bias)

    def _along(self, index: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention of q, k, v (b, s1, ..., sa, heads e) along one axis, in the same shape."""
        axis = index + 1
        if self.rotary:
            table = rotary_table(
                q.shape[axis],
                self.dim_heads,
                periodic=self.periodic[index],
                reference=self.shape[index],
                device=q.device,
            )
            q, k = (apply_rotary(part, table, axis=axis, heads=self.heads) for part in (q, k))
        return attend(q, k, v, axis=axis, heads=self.heads)


def attend(q: Tensor, k: Tensor, v: Tensor, *, axis: int, heads: int) -> Tensor:
    """softmax(q kᵀ) v along `axis`, per head and per index of every other dimension.

    Args:
        q: (b, ..., heads e) queries, already scaled, n of them along `axis`.
        k: (b, ..., heads e) keys, m of them along `axis`.
        v: (b, ..., heads e) values, m of them along `axis`.

    Returns:
        Shape of q.
    """
    q, k, v = (part.view(*part.shape[:-1], heads, -1) for part in (q, k, v))
    if q.device.type == "cpu" and q.shape[axis] * k.shape[axis] * q.shape[-1] < TINY_PRODUCT:
        return _attend_elementwise(q, k, v, axis).flatten(-2)
    # (b, rest..., heads, n, e): a view, copied once by the reshape that folds it into rows.
    q, k, v = (part.movedim((-2, axis), (-3, -2)) for part in (q, k, v))
    folded = q.shape
    if q.device.type != "cpu" or max(q.shape[-2], k.shape[-2]) >= FLASH_LENGTH:
        q, k, v = (part.reshape(-1, *part.shape[-3:]) for part in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v, scale=1.0)
    else:
        q, k, v = (part.reshape(-1, *part.shape[-2:]) for part in (q, k, v))
        out = torch.bmm(torch.bmm(q, k.transpose(1, 2)).softmax(-1), v)
    return out.view(folded).movedim((-3, -2), (-2, axis)).flatten(-2)


def _attend_elementwise(q: Tensor, k: Tensor, v: Tensor, axis: int) -> Tensor:
    """`attend` for q, k, v (b, ..., heads, e) where they lie, without a product of matrices."""
    q, k, v = q.unsqueeze(axis + 1), k.unsqueeze(axis), v.unsqueeze(axis)
    weights = (q * k).sum(-1, keepdim=True).softmax(axis + 1)
    return (weights * v).sum(axis + 1)
