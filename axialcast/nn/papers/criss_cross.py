"""Criss-cross attention: every position of an image attends to its row and its column.

b batch, h, w rows and columns of an image, d features, e features of a query or key, c features
of a value. Inside, tensors are (h, b, w, ...): of such a tensor the columns (b w, h, ...) and the
rows (h b, w, ...) are both views, so products along either axis copy nothing.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from axialcast.nn.checks import check_channel, check_features
from axialcast.nn.listening import Heard

__all__ = ["CrissCrossAttention"]


class CrissCrossAttention(nn.Module, Heard):
    """Recurrent criss-cross attention (CCNet, Huang et al. 2019, arXiv:1811.11721, section 3.2).

    `recurrence` times, with the same parameters, x becomes x + γ softmax(q kᵀ) v, where the softmax
    at (i, j) runs over the h + w - 1 positions of row i and column j together, (i, j) counted once:
    attention in one piece, not attention along h beside attention along w. Twice reaches every
    position from every other. Scores take (h + w) numbers per position, never h w. Gradients of
    gradients are not available.

    As in the paper, q and k are projections to d / 8 features and v one to d, not scaled by e^-1/2,
    and the result is not projected. As in the authors' program, and unlike equation 2, projections
    have a bias, and a learned number γ, which starts at 0, multiplies what is added to x. The
    projections are linear layers, equal to 1 x 1 convolutions.

    Args:
        dim: features d.
        dim_key: features e of queries and keys; d / 8, at least 1, if not given.
        dim_value: features c of values; d if not given. If it is another number, a projection
            without bias brings them back to d.
        recurrence: number of passes.
        dim_index: dimension that holds the features, negative ones counting from the last.

    Shape: (b, h, w) with d inserted at `dim_index`; input and output are alike.

    Raises:
        ValueError: if an argument or the input's shape does not fit.

    Example:
        A module starts as the identity, for γ = 0:

        >>> x = torch.randn(1, 16, 5, 7)
        >>> torch.equal(CrissCrossAttention(16)(x), x)
        True
    """

    def __init__(
        self,
        dim: int,
        *,
        dim_key: int | None = None,
        dim_value: int | None = None,
        recurrence: int = 2,
        dim_index: int = 1,
    ) -> None:
        super().__init__()
        dim_key = max(dim // 8, 1) if dim_key is None else dim_key
        dim_value = dim if dim_value is None else dim_value
        for name, value in {
            "dim": dim,
            "dim_key": dim_key,
            "dim_value": dim_value,
            "recurrence": recurrence,
        }.items():
            if value < 1:
                raise ValueError(f"{name}: expected 1 or more, got {value}")
        self.dim = dim
        self.recurrence = recurrence
        self.channel = check_channel("dim_index", dim_index, 2)
        self.to_q = nn.Linear(dim, dim_key)
        self.to_k = nn.Linear(dim, dim_key)
        self.to_v = nn.Linear(dim, dim_value)
        self.to_out = nn.Identity() if dim_value == dim else nn.Linear(dim_value, dim, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        check_features(x, self.dim, self.channel, 2)
        x = x.movedim(self.channel, -1).transpose(0, 1).contiguous()
        for _ in range(self.recurrence):
            x = x + self._attend(x)
        return x.transpose(0, 1).movedim(-1, self.channel)

    def _attend(self, x: Tensor) -> Tensor:
        """γ softmax(q kᵀ) v of x (h, b, w, d).

        γ scales the weights of the value, so that its gradient needs no copy of the result.
        Queries and keys are gone before there are values.
        """
        weights = criss_cross_weights(self.to_q(x), self.to_k(x))
        if self.listener is not None:
            self.listener(weights.detach().float().transpose(0, 1)[..., None, None, :])
        v = F.linear(x, self.gamma * self.to_v.weight, self.gamma * self.to_v.bias)
        out: Tensor = self.to_out(criss_cross_sum(weights.to(v.dtype), v))
        return out


def criss_cross_weights(q: Tensor, k: Tensor) -> Tensor:
    """(h, b, w, h + w) weights of the column, then the row, of each position; they sum to 1.

    Args:
        q: (h, b, w, e) queries.
        k: (h, b, w, e) keys.
    """
    h, b, w, _ = q.shape
    # A position is in its column and in its row: the row keeps it.
    itself = q.new_full((h,), -torch.inf).diag()
    column = torch.baddbmm(itself, _columns(q), _columns(k).mT).transpose(0, 1)
    row = torch.bmm(_rows(q), _rows(k).mT)
    return torch.cat([column.view(h, b, w, h), row.view(h, b, w, w)], dim=-1).softmax(-1)


def criss_cross_sum(weights: Tensor, v: Tensor) -> Tensor:
    """(h, b, w, c) sums of v (h, b, w, c) over column and row by `weights` (h, b, w, h + w)."""
    apply = cast(Callable[[Tensor, Tensor], Tensor], _CrissCrossSum.apply)
    return apply(weights, v)


class _CrissCrossSum(torch.autograd.Function):
    """`criss_cross_sum`, without gradients of gradients.

    The two products of each direction write to one buffer, which autograd cannot express.
    """

    @staticmethod
    def forward(ctx: Any, weights: Tensor, v: Tensor) -> Tensor:
        ctx.save_for_backward(weights, v)
        h = len(v)
        return _two_products(
            _columns(weights[..., :h]), _columns(v), _rows(weights[..., h:]), _rows(v), v.shape
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        weights, v = ctx.saved_tensors
        grad = grad.contiguous()
        h = len(v)
        grad_weights = torch.empty_like(weights)
        torch.bmm(_columns(grad), _columns(v).mT, out=_columns(grad_weights[..., :h]))
        torch.bmm(_rows(grad), _rows(v).mT, out=_rows(grad_weights[..., h:]))
        column, row = _columns(weights[..., :h]).mT, _rows(weights[..., h:]).mT
        return grad_weights, _two_products(column, _columns(grad), row, _rows(grad), v.shape)


def _two_products(
    column: Tensor, of_column: Tensor, row: Tensor, of_row: Tensor, shape: torch.Size
) -> Tensor:
    """column @ of_column + row @ of_row, products of (b w, h, ...) and of (h b, w, ...)."""
    out = torch.bmm(row, of_row).view(shape)
    columns = _columns(out)
    torch.baddbmm(columns, column, of_column, out=columns)
    return out


def _columns(x: Tensor) -> Tensor:
    """x (h, b, w, ...) as (b w, h, ...), a view."""
    return x.flatten(1, 2).transpose(0, 1)


def _rows(x: Tensor) -> Tensor:
    """x (h, b, w, ...) as (h b, w, ...), a view."""
    return x.flatten(0, 1)
