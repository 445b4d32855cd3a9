"""Branches dropped as a whole: which, how often, and what is left in the mean."""

import pytest
import torch

from axialcast.nn import AxialTransformer
from axialcast.nn.drop_path import DropPath


def test_a_share_of_the_samples_is_dropped_and_the_mean_stays():
    torch.manual_seed(0)
    layer, x = DropPath(0.3), torch.randn(5000, 2, 3)
    out = layer(x)
    kept = (out != 0).all((1, 2))
    assert torch.equal(kept, (out != 0).any((1, 2))), "all of a sample or nothing"
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.03)
    torch.testing.assert_close(out[kept], x[kept] / 0.7)
    assert torch.equal(layer.eval()(x), x)


def test_what_is_infinite_is_dropped_too():
    torch.manual_seed(0)
    out = DropPath(0.5)(torch.full((64, 3), torch.inf))
    assert (out == 0).any()
    assert not torch.isnan(out).any()


def transformer(**settings) -> AxialTransformer:
    torch.manual_seed(1)
    return AxialTransformer(8, 3, num_dimensions=2, heads=2, shape=(3, 5), **settings)


def test_later_blocks_are_dropped_more_often():
    def shares(module):
        return [part.p for part in module.modules() if isinstance(part, DropPath)]

    assert shares(transformer(drop_path=0.4)) == [0.2, 0.2, 0.4, 0.4], "the first has none"
    assert shares(transformer()) == []
    assert transformer(drop_path=0.4).state_dict().keys() == transformer().state_dict().keys()


def test_the_backward_pass_drops_what_the_forward_pass_dropped():
    reversible, plain = (
        transformer(drop_path=0.5, dropout=0.2, reversible=r).double() for r in (True, False)
    )
    x, found = torch.randn(7, 3, 5, 8).double(), []
    for module in (reversible, plain):
        torch.manual_seed(2)
        out = module(x)
        out.square().sum().backward()
        found.append([out.detach(), *(p.grad for p in module.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)
