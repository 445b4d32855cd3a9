"""Equation 4 of Wang et al. 2020, transcribed loop by loop; windows and seams."""

import pytest
import torch
from torch import Tensor

from axialcast.nn import AxialAttention
from axialcast.nn.papers.position_sensitive import (
    PositionSensitiveAttention,
    PositionSensitiveAxialAttention,
)


def equation_4(module: PositionSensitiveAttention, x: Tensor) -> Tensor:
    """y_o = sum over p of softmax_p(q_o k_p + q_o r^q_{p-o} + k_p r^k_{p-o}) (v_p + r^v_{p-o})."""
    n, reach = len(x), module.span // 2
    heads = []
    for head in range(module.heads):
        key = slice(head * module.dim_key, (head + 1) * module.dim_key)
        width = module.dim // module.heads
        value = slice(head * width, (head + 1) * width)
        q = [module.to_q.weight[key] @ x[o] for o in range(n)]
        k = [module.to_k.weight[key] @ x[o] for o in range(n)]
        v = [module.to_v.weight[value] @ x[o] for o in range(n)]
        rows = []
        for o in range(n):
            window = [(o + step, step) for step in range(-reach, reach + 1)]
            if module.periodic:
                window = [(p % n, step) for p, step in window if -(n // 2) <= step < n - n // 2]
            else:
                window = [(p, step) for p, step in window if 0 <= p < n]
            scores = [
                q[o] @ k[p]
                + q[o] @ module.relative_q[step + reach]
                + k[p] @ module.relative_k[step + reach]
                for p, step in window
            ]
            weights = torch.stack(scores).softmax(0)
            terms = [v[p] + module.relative_v[step + reach] for p, step in window]
            rows.append(sum(w * t for w, t in zip(weights, terms, strict=True)))
        heads.append(torch.stack(rows))
    return torch.cat(heads, dim=-1)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize(("n", "span"), [(7, 1), (7, 3), (7, 7), (7, 13), (6, 5), (6, 11), (1, 3)])
def test_it_is_the_formula(n: int, span: int, periodic: bool) -> None:
    torch.manual_seed(0)
    module = PositionSensitiveAttention(10, span, heads=2, dim_key=3, periodic=periodic).double()
    x = torch.randn(2, n, 10, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(2, n, 10, dtype=torch.float64)
    inputs = [x, *module.parameters()]
    want = torch.stack([equation_4(module, sample) for sample in x])
    got = module(x)
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)
    for one, other in zip(
        torch.autograd.grad(want, inputs, grad, allow_unused=True),
        torch.autograd.grad(got, inputs, grad),
        strict=True,
    ):
        expected = torch.zeros_like(other) if one is None else one
        torch.testing.assert_close(other, expected, rtol=1e-10, atol=1e-11)


def test_axes_one_after_another() -> None:
    torch.manual_seed(0)
    module = PositionSensitiveAxialAttention(8, (3, 5), heads=2, dim_index=1).double()
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    first, second = (along.fn for along in module.axial_attentions)
    columns = torch.stack([first(x[..., j].mT).mT for j in range(7)], dim=-1)
    rows = torch.stack([second(columns[:, :, i].mT).mT for i in range(5)], dim=2)
    torch.testing.assert_close(module(x), rows)


def test_without_relative_terms_it_is_attention() -> None:
    torch.manual_seed(0)
    module = PositionSensitiveAttention(8, 21, heads=2, dim_key=4)
    plain = AxialAttention(8, 1, 2)
    (attention,) = plain.attentions()
    with torch.no_grad():
        for name in ("relative_q", "relative_k", "relative_v"):
            module.get_parameter(name).zero_()
        attention.to_q.weight.copy_(module.to_q.weight * 2)  # that one divides by √4
        attention.to_kv.weight.copy_(torch.cat([module.to_k.weight, module.to_v.weight]))
        attention.to_out.weight.copy_(torch.eye(8))
        attention.to_out.bias.zero_()
    x = torch.randn(3, 11, 8)
    torch.testing.assert_close(module(x), plain(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("span", [3, 5, 13])
def test_rolling_a_periodic_axis_rolls_the_output(span: int) -> None:
    torch.manual_seed(0)
    module = PositionSensitiveAxialAttention(8, (3, span), heads=2, periodic=(False, True))
    x = torch.randn(2, 5, 7, 8).double()
    module.double()
    torch.testing.assert_close(module(x.roll(3, 2)), module(x).roll(3, 2), rtol=1e-12, atol=1e-12)
    assert (module(x.roll(1, 1)) - module(x).roll(1, 1)).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": 3}, "heads: expected a divisor of dim=8, got 3"),
        ({"span": (3, 4)}, "span: expected an odd number of tokens"),
        ({"dim_index": 0}, "dim_index: expected 1 to 3"),
        ({"periodic": (True,)}, "periodic: expected 2 values"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PositionSensitiveAxialAttention(8, **{"span": (3, 3), "heads": 2, **arguments})


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="x: expected 4 dimensions with 8 features"):
        PositionSensitiveAxialAttention(8, (3, 3))(torch.zeros(1, 5, 8))
    with pytest.raises(ValueError, match="x: expected shape"):
        PositionSensitiveAttention(8, 3)(torch.zeros(1, 5, 7))
