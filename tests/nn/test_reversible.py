"""Reversible blocks: the plain network's function and gradients, wherever users put them."""

import copy
import functools
from typing import Any

import pytest
import torch
from axial_attention.reversible import ReversibleSequence as Original
from torch import Tensor, nn

from axialcast.nn import ReversibleBlock, ReversibleSequence

DIM = 7


def branch(dropout: float = 0.0) -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm(DIM), nn.Linear(DIM, 11), nn.GELU(), nn.Dropout(dropout), nn.Linear(11, DIM)
    )


def pair_of(
    depth: int = 3, dropout: float = 0.0, keep: int = 1
) -> tuple[ReversibleSequence, ReversibleSequence]:
    """The same network, reversible and plain, in float64."""
    torch.manual_seed(0)
    blocks = [(branch(dropout), branch(dropout)) for _ in range(depth)]
    reversible = ReversibleSequence(blocks, keep=keep).double()
    plain = copy.deepcopy(reversible)
    plain.reversible = False
    return reversible, plain


def gradients(module: nn.Module, x: Tensor, times: int = 1) -> dict[str, Tensor | None]:
    module.zero_grad()
    x = x.detach().clone().requires_grad_(x.requires_grad)
    torch.manual_seed(5)
    out = x
    for _ in range(times):
        out = module(out)
    out.square().sum().backward()
    return {"out": out, "x": x.grad, **{n: p.grad for n, p in module.named_parameters()}}


def assert_equal(want: dict[str, Tensor | None], got: dict[str, Tensor | None]) -> None:
    for name, value in want.items():
        other = got[name]
        assert (value is None) == (other is None), name
        if value is not None and other is not None:
            torch.testing.assert_close(other, value, rtol=1e-10, atol=1e-10, msg=name)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("needs_gradient", [True, False])
@pytest.mark.parametrize("times", [1, 2])
def test_gradients_are_those_of_the_plain_network(
    training: bool, needs_gradient: bool, times: int
) -> None:
    """With dropout, train and eval, input with and without gradient, used once and twice."""
    reversible, plain = (module.train(training) for module in pair_of(dropout=0.4))
    x = torch.randn(2, 3, 5, DIM, dtype=torch.float64, requires_grad=needs_gradient)
    assert_equal(gradients(plain, x, times), gradients(reversible, x, times))


@pytest.mark.parametrize("frozen", ["blocks.0", "blocks.1.f", "blocks.2.g.net.1", ""])
def test_frozen_parts(frozen: str) -> None:
    reversible, plain = pair_of()
    for module in (reversible, plain):
        module.get_submodule(frozen).requires_grad_(False)
    x = torch.randn(2, DIM, dtype=torch.float64, requires_grad=True)
    assert_equal(gradients(plain, x), gradients(reversible, x))


def test_random_numbers_go_on_as_if_nothing_was_replayed() -> None:
    drawn = []
    for module in pair_of(dropout=0.4):
        gradients(module, torch.randn(2, DIM, dtype=torch.float64))
        drawn.append(torch.rand(3))
    torch.testing.assert_close(drawn[0], drawn[1], rtol=0, atol=0)


def test_dropout_in_eval_with_functional_noise() -> None:
    """Noise that ignores train and eval is replayed as well."""

    class Noisy(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(nn.functional.dropout(x, 0.5, training=True))

    torch.manual_seed(0)
    reversible = ReversibleSequence([(Noisy(DIM, DIM), Noisy(DIM, DIM))]).double().eval()
    plain = copy.deepcopy(reversible)
    plain.reversible = False
    x = torch.randn(5, DIM, dtype=torch.float64, requires_grad=True)
    assert_equal(gradients(plain, x), gradients(reversible, x))


def test_autocast_is_replayed() -> None:
    """bfloat16 in the forward pass means bfloat16 in the replay, outside the context or in it."""
    reversible, plain = (module.float() for module in pair_of())
    seen: list[torch.dtype] = []
    reversible.blocks[1].f.net[1].register_forward_hook(lambda *a: seen.append(a[2].dtype))
    x = torch.randn(64, DIM)
    results = []
    for module in (plain, reversible):
        for inside in (False, True):
            module.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = module(x).square().mean() + module(x).mean()
                if inside:
                    loss.backward()
            if not inside:
                loss.backward()
            results.append([p.grad for p in module.parameters()])
    assert set(seen) == {torch.bfloat16}
    assert len(seen) == 8
    for got in results[1:]:
        for value, other in zip(results[0], got, strict=True):
            torch.testing.assert_close(other, value, rtol=0.05, atol=2e-3)


def test_gradient_functions_and_hooks_work() -> None:
    """`torch.autograd.grad` for parameters, and tensor hooks, which run once."""
    reversible, plain = pair_of()
    x = torch.randn(3, DIM, dtype=torch.float64)
    calls: list[str] = []
    for name, parameter in reversible.named_parameters():
        parameter.register_post_accumulate_grad_hook(lambda p, name=name: calls.append(name))
    want = torch.autograd.grad(plain(x).square().sum(), list(plain.parameters()))
    got = torch.autograd.grad(reversible(x).square().sum(), list(reversible.parameters()))
    for value, other in zip(want, got, strict=True):
        torch.testing.assert_close(other, value, rtol=1e-10, atol=1e-10)
    assert calls == []
    reversible(x).sum().backward()
    assert sorted(calls) == sorted(name for name, _ in reversible.named_parameters())


@pytest.mark.parametrize("training", [True, False])
def test_gradients_in_float32(training: bool) -> None:
    reversible, plain = (module.float().train(training) for module in pair_of(6, dropout=0.4))
    x = torch.randn(2, 3, 5, DIM, requires_grad=True)
    want, got = gradients(plain, x), gradients(reversible, x)
    for name, value in want.items():
        assert (got[name] - value).abs().max() <= 1e-5 * value.abs().max(), name


def test_running_statistics_are_updated_once() -> None:
    """As in the plain network, in training; and not at all in evaluation."""
    torch.manual_seed(0)
    blocks = [(nn.Sequential(nn.BatchNorm1d(DIM), branch()), branch()) for _ in range(3)]
    reversible = ReversibleSequence(blocks).double()
    plain = copy.deepcopy(reversible)
    plain.reversible = False
    x = torch.randn(5, DIM, dtype=torch.float64, requires_grad=True)
    for training in (True, True, False):
        assert_equal(gradients(plain.train(training), x), gradients(reversible.train(training), x))
        for name, buffer in plain.named_buffers():
            torch.testing.assert_close(reversible.get_buffer(name), buffer, msg=name)


def test_frozen_blocks_at_the_front_are_not_evaluated_again() -> None:
    reversible, plain = pair_of(4)
    for module in (reversible, plain):
        module.blocks[:2].requires_grad_(False)
    counts = [0, 0, 0, 0]
    for index, block in enumerate(reversible.blocks):

        def count(*_: Any, index: int = index) -> None:
            counts[index] += 1

        block.f.register_forward_hook(count)
    x = torch.randn(3, DIM, dtype=torch.float64)
    assert_equal(gradients(plain, x), gradients(reversible, x))
    assert counts == [1, 1, 2, 1]  # the last block keeps its activations


def test_gradients_of_a_branch_are_there_before_the_branch_ahead_is_evaluated() -> None:
    """So that they can be reduced over processes, or added in place, meanwhile."""
    reversible, _ = pair_of(3)
    order: list[str] = []
    for index, block in enumerate(reversible.blocks):
        for name in ("f", "g"):
            part = block.get_submodule(name)
            call = f"{name}{index}"
            part.register_forward_hook(lambda *_, call=call: order.append(f"evaluated {call}"))
            part.net[1].weight.register_post_accumulate_grad_hook(
                lambda _, call=call: order.append(f"gradient of {call}")
            )
    loss = reversible(torch.randn(3, DIM, dtype=torch.float64)).square().sum()
    order.clear()
    loss.backward()
    again = [f"{what} {call}" for call in ("g1", "f1", "g0", "f0") for what in WHAT]
    assert order == ["gradient of g2", "gradient of f2", *again]


WHAT = ("evaluated", "gradient of")


def test_the_same_graph_twice_and_two_graphs_at_once() -> None:
    reversible, plain = pair_of(3, dropout=0.4)
    x, y = torch.randn(2, 3, DIM, dtype=torch.float64).unbind()
    results = []
    for module in (plain, reversible):
        module.zero_grad()
        torch.manual_seed(1)
        first, second = module(x).square().sum(), module(y).square().sum()
        first.backward(retain_graph=True)
        second.backward()
        first.backward()
        results.append([p.grad for p in module.parameters()])
    for value, other in zip(*results, strict=True):
        torch.testing.assert_close(other, value, rtol=1e-10, atol=1e-10)


def test_module_hooks_see_what_the_plain_network_shows_them() -> None:
    """Forward hooks see each activation (again in the replay), backward hooks each gradient."""
    seen: list[dict[str, list[Tensor]]] = []
    for module in pair_of(dropout=0.4):
        values: dict[str, list[Tensor]] = {"forward": [], "backward": []}
        layer = module.blocks[1].f.net[1]
        layer.register_forward_hook(lambda *a, v=values: v["forward"].append(a[2].detach()))
        layer.register_full_backward_hook(lambda *a, v=values: v["backward"].append(a[2][0]))
        torch.manual_seed(3)
        x = torch.randn(2, DIM, dtype=torch.float64, requires_grad=True)
        gradients(module, x)
        seen.append(values)
    reversible, plain = seen
    assert [len(reversible["forward"]), len(plain["forward"])] == [2, 1]
    assert len(reversible["backward"]) == len(plain["backward"]) == 1
    for kind, values in reversible.items():
        for value in values:
            torch.testing.assert_close(value, plain[kind][0], rtol=1e-10, atol=1e-10)


def test_shared_and_unused_parameters() -> None:
    class Unused(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return x * 0.5

    torch.manual_seed(0)
    shared = branch()
    reversible = ReversibleSequence([(shared, Unused(3, 3)), (shared, branch())]).double()
    plain = copy.deepcopy(reversible)
    plain.reversible = False
    x = torch.randn(3, DIM, dtype=torch.float64, requires_grad=True)
    assert_equal(gradients(plain, x), gradients(reversible, x))


@pytest.mark.parametrize("route", [(True, False), (False, True), (True, True)])
def test_keyword_arguments_reach_the_branches_and_take_gradients(route: tuple[bool, bool]) -> None:
    class Shifted(nn.Linear):
        def forward(self, x: Tensor, shift: float | Tensor = 0.0) -> Tensor:
            return super().forward(x) + shift

    torch.manual_seed(0)
    blocks = [(Shifted(DIM, DIM), Shifted(DIM, DIM)) for _ in range(2)]
    reversible = ReversibleSequence(blocks).double()
    plain = copy.deepcopy(reversible)
    plain.reversible = False
    results = []
    for module in (plain, reversible):
        shift = torch.ones(DIM, dtype=torch.float64, requires_grad=True)
        call: Any = functools.partial(module, arg_route=route, shift=shift)
        x = torch.ones(2, DIM, dtype=torch.float64)
        call(x).square().sum().backward()
        results.append(shift.grad)
    torch.testing.assert_close(results[0], results[1], rtol=1e-10, atol=1e-10)


def test_the_original_has_the_same_state_dict_and_values() -> None:
    torch.manual_seed(0)
    blocks = [(nn.Conv1d(DIM, DIM, 1), nn.Conv1d(DIM, DIM, 1)) for _ in range(3)]
    want = Original(nn.ModuleList(nn.ModuleList(pair) for pair in copy.deepcopy(blocks)))
    got = ReversibleSequence([(nn.Conv1d(DIM, DIM, 1), nn.Conv1d(DIM, DIM, 1)) for _ in blocks])
    got.load_state_dict(want.state_dict(), strict=True)
    results = []
    for module in (want, got):
        x = torch.linspace(-1, 1, 2 * DIM * 5).view(2, DIM, 5).requires_grad_()
        out = module(x)
        out.square().sum().backward()
        results.append([out, x.grad, *(p.grad for p in module.parameters())])
    for value, other in zip(*results, strict=True):
        torch.testing.assert_close(other, value, rtol=1e-5, atol=1e-6)


def test_block_by_hand_and_its_inverse() -> None:
    class Double(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    block = ReversibleBlock(Double(), Double())
    x1, x2 = torch.tensor([1.0]), torch.tensor([3.0])
    y1, y2 = block(x1, x2)
    assert (y1.item(), y2.item()) == (7.0, 17.0)
    assert block.inverse(y1, y2) == (x1, x2)
    assert ReversibleSequence([(Double(), Double())])(x1).item() == (3.0 + 7.0) / 2


def test_a_branch_must_keep_the_shape() -> None:
    with pytest.raises(ValueError, match=r"blocks: .* Linear returned \(2, 5\)"):
        ReversibleSequence([(nn.Linear(7, 5), branch())])(torch.zeros(2, 7))


def test_no_blocks_is_the_identity() -> None:
    x = torch.randn(3, DIM, requires_grad=True)
    torch.testing.assert_close(ReversibleSequence([])(x), x)
