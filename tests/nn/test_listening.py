"""Attention weights on request: those of the softmax by hand, and nothing else changes."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork, dates
from axialcast.nn import (
    AutoregressiveAxialTransformer,
    AxialAttention,
    AxialImageTransformer,
    AxialTransformer,
    CrissCrossAttention,
    PositionSensitiveAxialAttention,
    SelfAttention,
    attention_weights,
)

SHAPE = (2, 3, 5, 7)  # batch and three axes


def by_hand(attention, rows, bias=0.0):
    """softmax of (…, n, d) rows, written out."""
    q, k = attention.to_q(rows), attention.to_kv(rows).chunk(2, -1)[0]
    q, k = (part.unflatten(-1, (attention.heads, -1)).transpose(-3, -2) for part in (q, k))
    return (q @ k.mT / math.sqrt(attention.dim_heads) + bias).softmax(-1)


def listened(module, *given, **options):
    """What a module returns within the context, and what it told."""
    with attention_weights(module, **options) as weights:
        out = module(*given)
    return out, weights


def test_a_sequence_attends_as_it_says():
    layer, x, other = SelfAttention(8, 2), torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    out, weights = listened(layer, x)
    assert torch.equal(out, layer(x))
    torch.testing.assert_close(weights[""][0], by_hand(layer, x))
    _, weights = listened(layer, x, other)
    assert weights[""][0].shape == (2, 2, 5, 3)
    assert layer.listener is None


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"causal": (False, True, True)},
        {"span": (None, 3, 5), "periodic": (False, False, True)},
        {"position": "relative", "shape": SHAPE[1:], "span": (None, None, 3)},
        {"position": "rotary", "qk_norm": True},
        {"sum_axial_out": False, "dim_index": 1},
    ],
)
@pytest.mark.parametrize("masked", [False, True])
def test_results_are_the_weights_times_the_values(options, masked):
    """For any mask, order, window and position: what is told is what was used."""
    torch.manual_seed(0)
    layer = AxialAttention(8, 3, heads=2, **options)
    for positions in layer.positions:
        for parameter in positions.parameters():
            nn.init.normal_(parameter)
    x = torch.randn(*SHAPE, 8).movedim(-1, options.get("dim_index", -1))
    mask = torch.rand(SHAPE) > 0.4 if masked else None
    out, weights = listened(layer, x, mask)
    torch.testing.assert_close(out, layer(x, mask), rtol=0, atol=0)
    assert list(weights) == [""]
    total, before = 0.0, x.movedim(layer.channel, -1)
    for axis, attention in enumerate(layer.attentions()):
        told = weights[""][axis]
        others = [size for place, size in enumerate(SHAPE[1:]) if place != axis]
        n = SHAPE[1 + axis]
        assert told.shape == (2, *others, 2, n, n)
        sums = told.sum(-1)
        assert ((sums - 1).abs() < 1e-5).logical_or(sums == 0).all()
        assert masked or (sums > 0).all()
        rows = before.movedim(axis + 1, -2)
        values = attention.to_kv(rows).chunk(2, -1)[1].unflatten(-1, (2, -1)).transpose(-3, -2)
        seen = attention.to_out((told @ values).transpose(-3, -2).flatten(-2)).movedim(-2, axis + 1)
        total = seen if not layer.sum_axial_out else total + seen
        before = seen if not layer.sum_axial_out else before
    torch.testing.assert_close(total.movedim(-1, layer.channel), out, rtol=1e-4, atol=1e-5)


def test_masks_windows_and_order_are_zeros_in_them():
    layer = AxialAttention(8, 2, heads=2, span=(None, 3), causal=(True, False))
    _, weights = listened(layer, torch.randn(1, 5, 7, 8))
    first, second = weights[""][0], weights[""][1]
    assert torch.equal(first == 0, torch.ones(5, 5).triu(1).bool().expand_as(first))
    apart = (torch.arange(7)[:, None] - torch.arange(7)).abs()
    assert torch.equal(second == 0, (apart > 1).expand_as(second))
    plain = AxialAttention(8, 2, heads=2)
    x = torch.randn(1, 5, 7, 8)
    _, weights = listened(plain, x)
    torch.testing.assert_close(weights[""][1], by_hand(plain.attentions()[1], x))
    one = AxialAttention(8, 2, heads=2)
    _, weights = listened(one, torch.randn(1, 1, 7, 8))
    assert torch.equal(weights[""][0], torch.ones(1, 7, 2, 1, 1))


@pytest.mark.parametrize("reversible", [True, False])
def test_training_is_the_same_within_the_context(reversible):
    """Outputs, gradients, and the names of layers; a second evaluation tells the same."""
    torch.manual_seed(0)
    model = AxialTransformer(
        8, 3, num_dimensions=3, heads=2, shape=SHAPE[1:], reversible=reversible
    )
    x = torch.randn(*SHAPE, 8)
    model(x).square().sum().backward()
    want = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    with attention_weights(model) as weights:
        out = model(x)
        told = {(name, axis): w.clone() for name, of in weights.items() for axis, w in of.items()}
        out.square().sum().backward()
    assert len(told) == 9
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), want, strict=True))
    for (name, axis), values in told.items():
        torch.testing.assert_close(weights[name][axis], values, rtol=1e-4, atol=1e-5)
        assert not values.requires_grad
        assert isinstance(model.get_submodule(name), AxialAttention)


def test_drop_ins_and_layers_of_papers_tell_theirs():
    image = AxialImageTransformer(8, 1, heads=2)
    _, weights = listened(image, torch.randn(1, 8, 5, 7))
    assert sorted(w[0].shape for w in weights.values()) == [(5, 2, 7, 7), (7, 2, 5, 5)]
    cross = CrissCrossAttention(8)
    _, weights = listened(cross, torch.randn(1, 8, 5, 7))
    assert weights[""][0].shape == (1, 5, 7, 1, 1, 12)
    placed = PositionSensitiveAxialAttention(8, (3, 3), heads=2, dim_index=1)
    out, weights = listened(placed, x := torch.randn(1, 8, 5, 7))
    assert torch.equal(out, placed(x))
    assert len(weights) == 2
    pixels = AutoregressiveAxialTransformer(8, (4, 7), 5, heads=2)
    _, more = listened(pixels, torch.randint(0, 5, (1, 1, 4, 7)))
    for told in [*weights.values(), *more.values()]:
        for values in told.values():
            torch.testing.assert_close(values.sum(-1), torch.ones(values.shape[:-1]))


@pytest.mark.parametrize("kind", ["axial", "vit"])
def test_a_forecasting_network_tells_what_it_looks_at(kind):
    torch.manual_seed(0)
    network = ForecastNetwork(
        **{"num_channels": 1, "grid": LatLonGrid.regular(6, 8, poles=False), "kind": kind},
        **{"increment_scale": [1.0], "dim": 8, "depth": 2, "heads": 2},
    )
    when = dates(np.array([["2001-01-01", "2001-01-02"]], "datetime64[ns]"))
    _, weights = listened(network, torch.randn(1, 2, 1, 6, 8), when)
    shapes = {tuple(w.shape) for of in weights.values() for w in of.values()}
    assert len(weights) == 2
    if kind == "vit":
        assert shapes == {(1, 2, 24, 24)}
    else:  # times, latitudes and longitudes of patches
        assert shapes == {(1, 3, 4, 2, 2, 2), (1, 2, 4, 2, 3, 3), (1, 2, 3, 2, 4, 4)}
    _, few = listened(
        network, torch.randn(1, 2, 1, 6, 8), when, reduce=lambda w: w.flatten(0, -4).mean(0)
    )
    assert {w.ndim for of in few.values() for w in of.values()} == {3}


def test_where_there_is_nothing_to_hear_is_said():
    with pytest.raises(ValueError, match="Linear has no attention of axialcast"):
        listened(nn.Linear(2, 2))
    layer = AxialAttention(8, 2, heads=2)
    with pytest.raises(ZeroDivisionError), attention_weights(layer):
        raise ZeroDivisionError
    assert all(attention.listener is None for attention in layer.attentions())
    layer.domain = object()
    with pytest.raises(ValueError, match="processes share the axes of AxialAttention"):
        listened(layer)
