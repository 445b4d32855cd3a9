"""Position-sensitive attention along axes, the layer of Axial-DeepLab.

b batch, n tokens along an axis, d features, e features of a key and c of a value in one head, m
span of the window; an axial shape is (s1, ..., sa).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from axialcast.nn.checks import check_channel, check_features, check_per_axis, check_span
from axialcast.nn.kernels import FLASH_LENGTH, in_parts
from axialcast.nn.listening import Heard
from axialcast.nn.masking import spread, steps_along
from axialcast.nn.self_attention import AlongAxis

__all__ = ["PositionSensitiveAttention", "PositionSensitiveAxialAttention"]


class PositionSensitiveAttention(nn.Module, Heard):
    """Attention over a sequence in which query, key and value know the distance between tokens.

    Wang et al. 2020, equation 4: the output at o is, per head,

        Σp softmaxp(qo·kp + qo·rq[p-o] + kp·rk[p-o]) (vp + rv[p-o])

    over the m tokens p of the window around o, with q, k and v products of the input without bias
    and rq, rk, rv learned, shared by all heads. Heads are joined and not projected; scores are
    not divided by √e, as in the equation, so the initial queries are. The batch normalisations
    and 1 x 1 convolutions around the layer are left to the network that uses it.

    Args:
        dim: features d; a value has c = d / heads.
        span: odd number m of tokens in the window; 2 n - 1 for a whole axis of n tokens.
        heads: number of heads.
        dim_key: features e of a query or key in one head; c / 2, as in the authors' code, if not
            given.
        periodic: whether the sequence closes on itself, so that windows wrap around.

    Shape: (b, n, d), kept, for any n: scores take (b, heads, n, n) numbers.

    Raises:
        ValueError: if an argument or the input's shape does not fit.
    """

    def __init__(
        self,
        dim: int,
        span: int,
        *,
        heads: int = 8,
        dim_key: int | None = None,
        periodic: bool = False,
    ) -> None:
        super().__init__()
        if dim < 1 or heads < 1 or dim % heads:
            raise ValueError(f"heads: expected a divisor of dim={dim}, got {heads}; change either")
        check_span(span)
        self.dim = dim
        self.heads = heads
        self.span = span
        self.periodic = periodic
        self.dim_key = max(dim // heads // 2, 1) if dim_key is None else dim_key
        self.to_q = nn.Linear(dim, heads * self.dim_key, bias=False)
        self.to_k = nn.Linear(dim, heads * self.dim_key, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)
        nn.init.normal_(self.to_q.weight, std=(dim * self.dim_key) ** -0.5)
        self.relative_q = nn.Parameter(torch.randn(span, self.dim_key) * self.dim_key**-0.5)
        self.relative_k = nn.Parameter(torch.randn(span, self.dim_key) * self.dim_key**-0.5)
        self.relative_v = nn.Parameter(torch.randn(span, dim // heads) * dim**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 3 or x.shape[-1] != self.dim:
            raise ValueError(f"x: expected shape (b, n, {self.dim}), got {tuple(x.shape)}")
        q, k, v = (
            layer(x).view(*x.shape[:-1], self.heads, -1).transpose(1, 2)
            for layer in (self.to_q, self.to_k, self.to_v)
        )
        n, reach = x.shape[1], self.span // 2
        steps = steps_along(n, periodic=self.periodic, device=x.device)
        places = steps.clamp(-reach, reach) + reach  # beyond the window any place will do
        relative = [
            table.T.index_select(1, places)
            for table in (self.relative_q, self.relative_k, self.relative_v)
        ]
        seen = steps.abs() <= reach
        if self.listener is not None:
            with torch.no_grad():
                self.listener(_weights(q, k, 0, seen, *relative[:2]).float())
        if n < FLASH_LENGTH:
            out = _attend(q, k, v, None, 0, seen, *relative)
        else:
            out = in_parts(_attend, q, k, v, None, seen, *relative)
        return out.transpose(1, 2).flatten(-2)


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: None,
    start: int,
    seen: Tensor,
    of_q: Tensor,
    of_k: Tensor,
    of_v: Tensor,
) -> Tensor:
    """Equation 4 for queries (b, heads, n', e) that begin at `start` of n, and all keys and values.

    Args:
        seen: (2 n - 1) which steps are within the window.
        of_q: (e, 2 n - 1) vectors rq by step; rk and rv likewise.
    """
    weights = _weights(q, k, start, seen, of_q, of_k)
    of_v = spread(of_v, start, start + q.shape[2])
    out = torch.einsum("bhop,bhpc->bhoc", weights, v)
    return out + torch.einsum("bhop,cop->bhoc", weights, of_v)


def _weights(q: Tensor, k: Tensor, start: int, seen: Tensor, of_q: Tensor, of_k: Tensor) -> Tensor:
    """(b, heads, n', n) of the queries and keys of `_attend`."""
    stop = start + q.shape[2]
    seen, of_q, of_k = (spread(table, start, stop) for table in (seen, of_q, of_k))
    scores = (
        torch.einsum("bhoe,bhpe->bhop", q, k)
        + torch.einsum("bhoe,eop->bhop", q, of_q)
        + torch.einsum("bhpe,eop->bhop", k, of_k)
    )
    return scores.masked_fill(~seen, -torch.inf).softmax(-1)


class PositionSensitiveAxialAttention(nn.Module):
    """Position-sensitive attention along each axis, one after another (Wang et al. 2020, fig. 2).

    Args:
        dim: features d.
        span: per axis, the odd number m of tokens in the window around a token.
        heads: number of heads.
        dim_key: features of a query or key in one head; d / (2 heads) if not given.
        dim_index: dimension that holds the features, negative ones counting from the last.
        periodic: per axis, whether it closes on itself; then rolling the input along it rolls the
            output. No axis if not given.

    Shape: (b, s1, ..., sa) with d inserted at `dim_index`; input and output are alike.

    Raises:
        ValueError: if an argument or the input's shape does not fit.
    """

    def __init__(
        self,
        dim: int,
        span: Sequence[int],
        *,
        heads: int = 8,
        dim_key: int | None = None,
        dim_index: int = -1,
        periodic: Sequence[bool] | None = None,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.channel = check_channel("dim_index", dim_index, len(span))
        closed = check_per_axis("periodic", periodic, len(span), False)
        axes = [axis for axis in range(1, len(span) + 2) if axis != self.channel]
        self.axial_attentions = nn.ModuleList(
            AlongAxis(
                axis,
                self.channel,
                PositionSensitiveAttention(dim, m, heads=heads, dim_key=dim_key, periodic=closes),
            )
            for axis, m, closes in zip(axes, span, closed, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        check_features(x, self.dim, self.channel, len(self.axial_attentions))
        for attention in self.axial_attentions:
            x = attention(x)
        return x
