"""The loss against sums by hand: means over what is valid, and nothing from the rest."""

import itertools

import numpy as np
import pytest
import scipy.fft
import torch

from axialcast.grid import LatLonGrid
from axialcast.model import area_weighted_mse
from axialcast.model.crps import almost_fair_crps, fair_squared_error
from axialcast.model.loss import Loss
from axialcast.model.scales import block_sums, waves

SHAPE = (2, 3, 5, 7, 11)


@pytest.fixture
def fields():
    torch.manual_seed(0)
    grid = LatLonGrid.regular(7, 11, poles=True)
    return {
        "prediction": torch.randn(SHAPE, requires_grad=True),
        "target": torch.randn(SHAPE),
        "area_weights": torch.tensor(grid.area_weights, dtype=torch.float32),
        "scale": torch.rand(5, 1, 1) + 0.5,
    }


def test_only_valid_cells_count(fields):
    valid = torch.rand(SHAPE) < 0.6
    valid[:, :, 1, 2:4] = False
    total = weight = 0.0
    for cell in np.ndindex(SHAPE):
        if valid[cell]:
            error = fields["prediction"][cell].item() - fields["target"][cell].item()
            area = fields["area_weights"][cell[-2:]].item()
            total += area * (error / fields["scale"][cell[2], 0, 0].item()) ** 2
            weight += area
    got = area_weighted_mse(**fields, valid=valid)
    assert got.item() == pytest.approx(total / weight, rel=1e-5)


def test_what_is_not_valid_is_never_seen(fields):
    """Whatever stands there, loss and gradient are the same, and its own gradient is zero."""
    valid = torch.rand(SHAPE) < 0.6
    results = []
    for filling in (0.0, 1e30, float("nan")):
        prediction = fields["prediction"].detach().where(valid, filling).requires_grad_()
        target = fields["target"].where(valid, -filling)
        loss = area_weighted_mse(
            **{**fields, "prediction": prediction, "target": target}, valid=valid
        )
        loss.backward()
        assert (prediction.grad[~valid] == 0).all()
        assert (prediction.grad[valid] != 0).all()
        results.append((loss.detach(), prediction.grad))
    for loss, gradient in results[1:]:
        assert torch.equal(loss, results[0][0])
        assert torch.equal(gradient, results[0][1])


def test_a_full_mask_is_no_mask(fields):
    full = area_weighted_mse(**fields, valid=torch.ones(SHAPE, dtype=torch.bool))
    assert torch.equal(full, area_weighted_mse(**fields))


def test_nothing_valid_is_no_loss(fields):
    loss = area_weighted_mse(**fields, valid=torch.zeros(SHAPE, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert (fields["prediction"].grad == 0).all()


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("num", [2, 3, 5])
def test_almost_fair_crps_is_between_that_of_the_ensemble_and_the_fair_one(num, alpha):
    """The paper's definition: α · fair CRPS + (1 - α) · CRPS, and their gradient."""
    random = np.random.default_rng(num)
    members, truth = random.normal(size=(num, 7)), random.normal(size=7)
    spread = sum(abs(members[j] - members[k]) for j in range(num) for k in range(num))
    error = abs(members - truth).mean(0)
    fair, whole = error - spread / (2 * num * (num - 1)), error - spread / (2 * num**2)
    got = almost_fair_crps(torch.tensor(members - truth), alpha)
    np.testing.assert_allclose(got, alpha * fair + (1 - alpha) * whole, rtol=1e-12)


def test_the_fair_crps_is_least_for_members_of_the_truth_s_own_distribution():
    """Whatever the number of members; of normal ones it is 1 / √π. Narrower and wider ones lose."""
    random = torch.Generator().manual_seed(0)
    truth = torch.randn(200_000, generator=random)
    for num in (2, 4):
        members = torch.randn(num, 200_000, generator=random)
        means = {
            spread: almost_fair_crps(spread * members - truth, 1.0).mean().item()
            for spread in (0.8, 1.0, 1.25)
        }
        assert means[1.0] == pytest.approx(np.pi**-0.5, rel=0.01)
        assert min(means, key=means.get) == 1.0


def test_the_fair_squared_error_is_that_of_a_mean_of_many():
    """Whatever the number of members and their spread."""
    random = torch.Generator().manual_seed(1)
    truth = torch.randn(200_000, generator=random)
    for num, spread in ((2, 1.0), (5, 0.3)):
        members = 0.7 + spread * torch.randn(num, 200_000, generator=random)
        found = fair_squared_error(members - truth).mean().item()
        assert found == pytest.approx(1 + 0.7**2, rel=0.02)
    errors = torch.tensor([[1.0, 2.0], [3.0, -1.0], [5.0, 4.0]])
    assert fair_squared_error(errors).tolist() == pytest.approx([23 / 3, 2 / 3])
    loss = Loss.of("crps", mean=0.5)
    assert loss.weights == (1.0, 0.5)


@pytest.mark.parametrize("num", [7, 8])
def test_waves_are_an_orthonormal_basis(num):
    rows = torch.randn(3, num, dtype=torch.float64)
    for is_periodic in (True, False):
        found = waves(rows, is_periodic)
        torch.testing.assert_close(found.square().sum((-2, -1)), rows.square().sum(-1))
    spectrum = abs(np.fft.rfft(rows.numpy(), norm="ortho"))
    spectrum[:, 1 : (num + 1) // 2] *= 2**0.5  # and of the numbers below zero
    np.testing.assert_allclose(waves(rows, True).norm(dim=-1), spectrum)
    cosines = scipy.fft.dct(rows.numpy(), norm="ortho")
    np.testing.assert_allclose(waves(rows, False)[..., 0], cosines, atol=1e-12)


def test_amplitudes_do_not_ask_where_a_wave_is(fields):
    """What the squared error forgives, a field that is flat, costs; a field in another place not.
    It is never more than the squared error."""
    loss = Loss.of("mse", spectral=0.5)
    area = {"area_weights": fields["area_weights"], "scale": fields["scale"]}
    target = fields["target"]

    def cost(prediction):
        upper = loss.upper(prediction[None], target, **area)
        return upper / loss.lower(target.shape, area_weights=area["area_weights"], valid=None)

    squared, amplitude = cost(target.roll(4, -1))
    assert squared > 1
    assert amplitude < 1e-9
    squared, amplitude = cost(0 * target)
    assert amplitude == pytest.approx(squared.item(), rel=1e-5)
    squared, amplitude = cost(fields["prediction"].detach())
    assert 0 < amplitude < squared
    total = loss.value(
        loss.upper(fields["prediction"][None], target, **area),
        loss.lower(target.shape, area_weights=area["area_weights"], valid=None),
    )
    assert total.item() == pytest.approx((squared + 0.5 * amplitude).item(), rel=1e-5)


def test_with_spectra_a_wave_whose_place_is_not_known_keeps_its_strength():
    """Of a wave that is off by ±60°, squared errors make half its amplitude best, (ρ + λ) / (1 + λ)
    with weight λ: here 5 / 6."""
    place = torch.arange(16) * 2 * torch.pi / 16
    truth = (3 * place).cos().expand(2, 1, 1, 4, 16)
    turned = torch.stack([(3 * place + d).cos() for d in (torch.pi / 3, -torch.pi / 3)])
    turned = turned[:, None, None, None].expand(2, 1, 1, 4, 16)
    area = {"area_weights": torch.ones(4, 16), "scale": torch.ones(1, 1, 1)}
    for weight, best in ((0.0, 0.5), (2.0, 5 / 6)):
        loss = Loss.of("mse", spectral=weight)
        lower = loss.lower(truth.shape, area_weights=area["area_weights"], valid=None)
        gain = torch.tensor(best, requires_grad=True)
        cost = loss.value(loss.upper(gain * turned[None], truth, **area), lower)
        [slope] = torch.autograd.grad(cost, gain)
        assert abs(slope) < 1e-6


@pytest.mark.parametrize("is_periodic", [True, False])
def test_amplitudes_of_nothing_have_a_gradient(fields, is_periodic):
    prediction = torch.zeros(1, *SHAPE, requires_grad=True)
    loss = Loss.of("mse", spectral=1.0, is_periodic=is_periodic)
    area = {"area_weights": fields["area_weights"], "scale": fields["scale"]}
    loss.upper(prediction, fields["target"], **area).sum().backward()
    assert prediction.grad.isfinite().all()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [2, 3])
def test_blocks_are_judged_by_their_means(fields, size, masked):
    """Of what is valid in them; 7 by 11 cells end in blocks that are cut off."""
    valid = torch.rand(SHAPE) < 0.3 if masked else torch.ones(SHAPE, dtype=torch.bool)
    errors = ((fields["prediction"] - fields["target"]) / fields["scale"]).detach().numpy()
    area = fields["area_weights"].numpy()
    total = weight = 0.0
    for index in np.ndindex(SHAPE[:3]):
        for top, left in itertools.product(range(0, 7, size), range(0, 11, size)):
            box = np.s_[top : top + size, left : left + size]
            share = (area * valid[index].numpy())[box]
            if share.sum():
                total += share.sum() * ((share * errors[index][box]).sum() / share.sum()) ** 2
                weight += share.sum()
    loss = Loss.of("mse", blocks=(size,), blocks_weight=2.0)
    given = {"valid": valid if masked else None, "area_weights": fields["area_weights"]}
    upper = loss.upper(fields["prediction"][None], fields["target"], scale=fields["scale"], **given)
    lower = loss.lower(torch.Size(SHAPE), **given)
    assert (upper / lower)[1].item() == pytest.approx(total / weight, rel=1e-5)
    assert loss.value(upper, lower).item() == pytest.approx(
        (upper / lower)[0].item() + 2 * total / weight, rel=1e-5
    )


def test_spectra_judge_whole_rows_alone(fields):
    """A row that lacks a cell changes nothing, whatever stands in it."""
    valid = torch.ones(SHAPE, dtype=torch.bool)
    valid[..., 3, 5] = False
    results = []
    for kind in ("mse", "crps"):
        loss = Loss.of(kind, spectral=1.0, samples=2)
        for filling in (0.0, 1e6):
            forecast = torch.stack([fields["prediction"].detach()] * loss.samples)
            forecast[..., 3, 6] = filling
            given = {"valid": valid, "area_weights": fields["area_weights"]}
            upper = loss.upper(forecast, fields["target"], scale=fields["scale"], **given)
            results.append((upper / loss.lower(torch.Size(SHAPE), **given))[1])
    assert results[0] == results[1]
    assert results[2] == results[3]


@pytest.mark.parametrize("kind", ["mse", "crps"])
def test_bands_of_latitudes_add_up(fields, kind):
    """Two processes that share a window have the sums of one, where blocks do not straddle."""
    loss = Loss.of(kind, spectral=0.3, blocks=(2, 4), samples=3)
    forecast = torch.randn(loss.samples, *SHAPE)
    valid = torch.rand(SHAPE) < 0.9
    valid[..., 1, :] = True

    def sums(rows):
        area, there = fields["area_weights"][rows], valid[..., rows, :]
        upper = loss.upper(
            forecast[..., rows, :],
            fields["target"][..., rows, :],
            area_weights=area,
            scale=fields["scale"],
            valid=there,
        )
        return torch.stack([upper, loss.lower(there.shape, area_weights=area, valid=there)])

    parts = sums(slice(0, 4)) + sums(slice(4, 7))
    torch.testing.assert_close(parts, sums(slice(0, 7)))


def test_block_sums_keep_what_is_left_at_the_ends():
    assert block_sums(torch.ones(2, 5, 7), 3)[1].tolist() == [[9, 9, 3], [6, 6, 2]]
