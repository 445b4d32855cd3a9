"""Attention weights on request: who looks at whom, of any layer, while a network computes.

b batch, n queries and m keys along an axis, e features of one head.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from axialcast.nn.masking import spread

__all__ = ["Heard", "attention_weights", "weights_of"]

Weights = dict[str, dict[int, Tensor]]
"""By the name of a layer, as of `named_modules`, and by axis."""


class Heard:
    """A layer that tells its weights to whoever listens; where nobody does, none are computed."""

    listener: Callable[[Tensor], None] | None = None


@contextmanager
def attention_weights(
    module: nn.Module, *, reduce: Callable[[Tensor], Tensor] | None = None
) -> Iterator[Weights]:
    """The attention weights of all layers of a module that compute within the context.

    What the layers return does not change, nor how they compute it: weights are computed besides,
    in float32, without gradients, before dropout. They take heads times n times m numbers for each
    row of tokens, which fused kernels never have in memory; `reduce` keeps less.

    Args:
        module: any that has layers of `axialcast.nn`, a forecast network among them.
        reduce: applied to the weights of each layer and axis as they come, such as
            `lambda weights: weights.mean(0)`.

    Yields:
        A dictionary that fills as layers compute: by the name of a layer and the index of an axis
        (0 where a layer has one alone) weights (b, …, heads, n, m), where … are the other axes in
        their order; rows of m add up to 1, or to 0 where a mask lets a query see nothing. A layer
        that computes again, in a second call or in the backward pass of a reversible sequence,
        replaces what it told before.

    Raises:
        ValueError: the module has no such layers, or processes share its axes.

    Example:
        >>> from axialcast.nn import AxialAttention
        >>> layer = AxialAttention(dim=8, heads=2)
        >>> with attention_weights(layer) as weights:
        ...     out = layer(torch.zeros(1, 5, 7, 8))
        >>> {axis: tuple(of.shape) for axis, of in weights[""].items()}
        {0: (1, 7, 2, 5, 5), 1: (1, 5, 2, 7, 7)}
    """
    found: Weights = {}
    heard = dict(_heard(module))
    if not heard:
        raise ValueError(
            f"module: {type(module).__name__} has no attention of axialcast.nn to listen to"
        )

    def listener(name: str, axis: int) -> Callable[[Tensor], None]:
        def listen(weights: Tensor) -> None:
            found.setdefault(name, {})[axis] = weights if reduce is None else reduce(weights)

        return listen

    before = {layer: layer.listener for layer in heard}
    try:
        for layer, (name, axis) in heard.items():
            layer.listener = listener(name, axis)
        yield found
    finally:
        for layer, told in before.items():
            layer.listener = told


def _heard(module: nn.Module) -> Iterator[tuple[Heard, tuple[str, int]]]:
    """Each layer that tells its weights, with the name and the axis that they are kept under."""
    within: dict[object, tuple[str, int]] = {}
    for name, part in module.named_modules():
        if getattr(part, "domain", None) is not None:
            raise ValueError(
                f"module: processes share the axes of {name or type(part).__name__}; listen to a "
                "network that one process has"
            )
        if callable(attentions := getattr(part, "attentions", None)):
            within |= {layer: (name, axis) for axis, layer in enumerate(attentions())}
        if isinstance(part, Heard):
            yield part, within.get(part, (name, 0))


def weights_of(
    q: Tensor,
    k: Tensor,
    *,
    axis: int,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """softmax(q kᵀ + bias) of `axialcast.nn.kernels.attend_heads`, (b, …, heads, n, m) in float32.

    Args:
        q, k, axis, bias, mask, causal: as there.
    """
    with torch.no_grad(), torch.autocast(q.device.type, enabled=False):
        q, k = (part.movedim((-2, axis), (-3, -2)).float() for part in (q, k))
        scores, n = q @ k.mT, q.shape[-2]
        if bias is not None and bias.dtype == torch.bool:
            scores = scores.masked_fill(~spread(bias, 0, n), -torch.inf)
        elif bias is not None:
            scores = scores + spread(bias.float(), 0, n)
        if causal:
            seen = torch.ones(n, n, dtype=torch.bool, device=q.device).tril()
            scores = scores.masked_fill(~seen, -torch.inf)
        if mask is not None:
            scores = scores.masked_fill(~mask.movedim(axis, -1)[..., None, None, :], -torch.inf)
        return scores.softmax(-1).nan_to_num(0.0)
