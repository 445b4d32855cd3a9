"""The autoregressive model: what depends on what, exact sampling, likelihoods, a trained one."""

import doctest
import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from axialcast.nn.papers import autoregressive
from axialcast.nn.papers.autoregressive import AutoregressiveAxialTransformer
from axialcast.nn.papers.decoder import Decoder, shift

CASES = [((7,), 1), ((5, 7), 1), ((3, 5), 3), ((2, 3, 5), 1), ((2, 3, 5), 2), ((2, 1, 3, 2), 2)]


def small(
    shape: tuple[int, ...], num_channels: int = 1, **options
) -> AutoregressiveAxialTransformer:
    """A model in float64 whose weights are so large that no dependence fades away."""
    torch.manual_seed(0)
    options = {"heads": 2, "depth_outer": 1, "depth_inner": 1, "depth_encoder": 1} | options
    model = AutoregressiveAxialTransformer(6, shape, 3, num_channels=num_channels, **options)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=2 * parameter.shape[1] ** -0.5)
    return model.double().eval()


def values(model: AutoregressiveAxialTransformer, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    size = (batch, model.num_channels, *model.shape)
    return torch.randint(model.num_values, size, generator=generator)


def one_at_a_time(
    model: AutoregressiveAxialTransformer, batch: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draws, and the logits they were drawn from, all computed anew for every element."""
    x = torch.zeros(batch, model.num_channels, *model.shape, dtype=torch.long)
    elements, used = x.view(batch, -1), []
    for index in range(elements.shape[1]):
        logits = model(x).flatten(1, -2)[:, index]
        used.append(logits)
        drawn = torch.multinomial(logits.softmax(-1), 1, generator=generator)
        elements[:, index] = drawn.squeeze(-1)
    return x, torch.stack(used, 1).view(*x.shape, -1)


@contextmanager
def logits_used(model: AutoregressiveAxialTransformer) -> Iterator[list[Tensor]]:
    used: list[Tensor] = []
    hook = model.head.register_forward_hook(lambda _, __, out: used.append(out.flatten(0, -2)))
    yield used
    hook.remove()


@pytest.mark.parametrize(("shape", "num_channels"), CASES)
@pytest.mark.parametrize("reversible", [True, False])
def test_gradients_come_from_all_before_and_nothing_else(
    shape: tuple[int, ...], num_channels: int, reversible: bool
) -> None:
    """Each element's vectors are scaled by a number of its own: its gradient is the dependence."""
    model = small(shape, num_channels, reversible=reversible)
    x = values(model)
    scale = torch.ones(x.shape, dtype=torch.float64, requires_grad=True)
    model.embedding.register_forward_hook(lambda _, __, out: out * scale.unsqueeze(-1))
    if num_channels > 1:
        previous = scale[:, :-1].unsqueeze(-1)
        model.previous.register_forward_hook(lambda _, __, out: out * previous)
    logits = model(x).flatten(1, -2).squeeze(0)
    weights = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    jacobian = torch.stack(
        [
            torch.autograd.grad((row * weights).sum(), scale, retain_graph=True)[0].flatten()
            for row in logits
        ]
    )
    before = torch.ones_like(jacobian).tril(-1).bool()
    assert (jacobian[~before] == 0).all()
    assert (jacobian[before].abs() > 1e-8).all()


@pytest.mark.parametrize(("shape", "num_channels"), CASES)
def test_another_value_changes_the_logits_after_it_only(
    shape: tuple[int, ...], num_channels: int
) -> None:
    model = small(shape, num_channels)
    x = values(model)
    with torch.no_grad():
        logits = model(x).flatten(1, -2)
        for index in range(x.numel()):
            other = x.clone()
            other.view(-1)[index] = (other.view(-1)[index] + 1) % 3
            change = (model(other).flatten(1, -2) - logits).abs().amax((0, -1))
            assert (change[: index + 1] < 1e-12).all()
            assert (change[index + 1 :] > 1e-8).all()


@pytest.mark.parametrize(("shape", "num_channels"), CASES)
@pytest.mark.parametrize("depth", [1, 2])
def test_semi_parallel_draws_are_those_of_one_at_a_time(
    shape: tuple[int, ...], num_channels: int, depth: int
) -> None:
    torch.manual_seed(0)
    model = AutoregressiveAxialTransformer(
        8, shape, 5, num_channels=num_channels, heads=2, depth_outer=depth, depth_inner=depth
    ).eval()
    with torch.no_grad():
        want, want_logits = one_at_a_time(model, 2, torch.Generator().manual_seed(1))
    with logits_used(model) as used:
        got = model.sample(2, generator=torch.Generator().manual_seed(1))
    assert (got == want).all()
    logits = torch.stack(used, 1).view_as(want_logits)
    torch.testing.assert_close(logits, want_logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(model(got), want_logits, rtol=0, atol=1e-5)


def test_probabilities_of_everything_sum_to_one() -> None:
    model = small((2, 2), 2)
    x = torch.tensor(list(itertools.product(range(3), repeat=8))).view(-1, 2, 2, 2)
    with torch.no_grad():
        log_prob = model.log_prob(x)
    assert len(log_prob) == 3**8
    assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-12)
    assert log_prob.std() > 0.1


def test_likelihood_of_a_hand_count() -> None:
    """With a head of biases alone, every value is drawn from the same three probabilities."""
    model = small((5, 7), 2)
    chances = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    with torch.no_grad():
        model.head[1].weight.zero_()
        model.head[1].bias.copy_(chances.log())
    x = values(model, 3)
    want = chances.log()[x].flatten(1).sum(1)
    torch.testing.assert_close(model.log_prob(x), want)
    torch.testing.assert_close(model.bits_per_dim(x), -want / math.log(2) / 70)


def test_draws_have_the_frequencies_of_the_model() -> None:
    model = small((1, 2), 2)
    x = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 1, 2)
    with torch.no_grad():
        want = model.log_prob(x).exp()
    drawn = model.sample(20_000, generator=torch.Generator().manual_seed(3)).view(-1, 4)
    index = (drawn * torch.tensor([27, 9, 3, 1])).sum(1)
    got = torch.bincount(index, minlength=81) / 20_000
    # Five standard deviations of a count of 20,000, and at least that of a chance of 1e-4.
    assert ((got - want).abs() < 5 * (want.clamp(min=1e-4) / 20_000).sqrt()).all()


def test_reversible_is_the_plain_network() -> None:
    gradients = []
    for reversible in (True, False):
        model = small((2, 3, 5), 2, reversible=reversible, dropout=0.2).train()
        torch.manual_seed(7)
        model.bits_per_dim(values(model, 3)).mean().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for got, want in zip(*gradients, strict=True):
        assert want is not None
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


def test_prefix_is_kept_and_the_rest_follows_it() -> None:
    model = small((3, 5), 2)
    x = values(model, 2)
    for length in (0, 7, 17, 30):
        prefix = x.flatten(1)[:, :length]
        with logits_used(model) as used:
            got = model.sample(2, prefix=prefix, generator=torch.Generator().manual_seed(2))
        assert (got.flatten(1)[:, :length] == prefix).all()
        torch.testing.assert_close(torch.stack(used, 1).view(*got.shape, 3), model(got))


def test_temperature_sharpens() -> None:
    model = small((3, 5))
    cold = model.sample(2, temperature=1e-9)
    assert (model(cold).argmax(-1) == cold).all()
    warm = model.sample(300, temperature=1e9)
    assert warm.double().mean().item() == pytest.approx(1, abs=0.06)  # 5 sigma of uniform values


def test_decoder_slice_by_slice_is_the_whole() -> None:
    torch.manual_seed(0)
    arguments = {"heads": 2, "mlp_ratio": 2.0, "dropout": 0.0, "reversible": True}
    decoder = Decoder(6, 2, [3, 2, 1], 2, **arguments).double()
    x = torch.randn(2, 1, 5, 3, 6, dtype=torch.float64)
    with torch.no_grad():
        cache: dict = {}
        slices = [decoder(part, cache) for part in x.split(1, dim=2)]
        torch.testing.assert_close(torch.cat(slices, 2), decoder(x))


def test_shift() -> None:
    x = torch.arange(1, 7).view(1, 2, 3)
    assert shift(x, 1).tolist() == [[[0, 0, 0], [1, 2, 3]]]
    assert shift(x, 2).tolist() == [[[0, 1, 2], [0, 4, 5]]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": ()}, "shape: expected one or more positive sizes"),
        ({"shape": (3, 0)}, "shape: expected one or more positive sizes"),
        ({"num_channels": 0}, "num_channels: expected 1 or more, got 0"),
        ({"depth_outer": 0}, "depth_outer: expected 1 or more, got 0"),
        ({"heads": 5}, "heads: expected a divisor of dim=8, got 5"),
    ],
)
def test_wrong_arguments(change: dict, message: str) -> None:
    arguments = {"dim": 8, "shape": (3, 5), "num_values": 4, "heads": 2} | change
    with pytest.raises(ValueError, match=message):
        AutoregressiveAxialTransformer(**arguments)


def test_wrong_inputs() -> None:
    model = small((3, 5))
    with pytest.raises(ValueError, match=r"x: expected shape \(b, 1, 3, 5\), got \(2, 3, 5\)"):
        model(torch.zeros(2, 3, 5, dtype=torch.long))
    with pytest.raises(ValueError, match=r"x: expected whole numbers of torch.long, got"):
        model(torch.zeros(2, 1, 3, 5))
    for wrong in (-1, 3):
        with pytest.raises(ValueError, match="x: expected values from 0 to 2"):
            model(torch.full((2, 1, 3, 5), wrong))
    with pytest.raises(ValueError, match="temperature: expected a positive number, got 0"):
        model.sample(1, temperature=0)
    with pytest.raises(ValueError, match=r"prefix: expected shape \(2, m\) with m up to 15"):
        model.sample(2, prefix=torch.zeros(1, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="prefix: expected values from 0 to 2, got 7 to 7"):
        model.sample(1, prefix=torch.full((1, 3), 7))


def test_one_vector_per_token_enters_each_decoder_while_sampling() -> None:
    """The cost of drawing: N tokens in each decoder, however many rows or elements they are."""
    model = small((5, 7))
    tokens = {"outer": 0, "inner": 0}

    def count(name: str):
        def add(_, arguments) -> None:
            tokens[name] += arguments[0][..., 0].numel()

        return add

    model.outer[0].register_forward_pre_hook(count("outer"))
    model.inner.register_forward_pre_hook(count("inner"))
    model.sample(1)
    assert tokens == {"outer": 35, "inner": 35}


def test_example() -> None:
    assert doctest.testmod(autoregressive).failed == 0


def waves(count: int, seed: int) -> Tensor:
    """(b, 1, 8, 12) sines in 4 levels, each row 1 or 2 cells further, from a random phase."""
    generator = torch.Generator().manual_seed(seed)
    phase = torch.randint(12, (count, 1, 1), generator=generator)
    speed = torch.randint(1, 3, (count, 1, 1), generator=generator)
    place = torch.arange(12) - phase - speed * torch.arange(8)[:, None]
    level = (2 + 1.99 * torch.sin(2 * math.pi * (place + 0.5) / 12)).floor().long()
    return level.unsqueeze(1)


@pytest.mark.slow
def test_trained_on_travelling_waves_draws_travelling_waves() -> None:
    """24 waves are log2(24) = 4.6 bits in 96 values: 0.048 bits each, where pixels alone are 2."""
    torch.manual_seed(0)
    model = AutoregressiveAxialTransformer(32, (8, 12), 4, heads=4, reversible=False)
    steps = 400
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
    for step in range(steps):
        optimizer.zero_grad()
        model.bits_per_dim(waves(32, seed=step)).mean().backward()
        optimizer.step()
        schedule.step()
    model.eval()
    frequencies = torch.bincount(waves(1000, seed=-1).flatten(), minlength=4) / 96_000
    assert -(frequencies * frequencies.log2()).sum() > 1.9
    all_waves = waves(1000, seed=-2).unique(dim=0)
    assert len(all_waves) == 24
    with torch.no_grad():
        assert model.bits_per_dim(waves(200, seed=-3)).mean() < 0.08
    drawn = model.sample(100, generator=torch.Generator().manual_seed(0))
    real = (drawn[:, None] == all_waves).flatten(2).all(-1)
    assert real.any(1).float().mean() > 0.7
    assert real.any(0).sum() > 18  # most of the 24, not a few of them
