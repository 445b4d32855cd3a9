"""Noise: normal numbers that follow from seed, time, step and member, and from nothing else."""

import itertools

import numpy as np
import pytest
import torch

from axialcast.model.noise import Noise, drawn_for

SHAPE = (13, 24)
TIME = np.datetime64("2001-02-03T06")


def fields(num, seeds, **more):
    noise = Noise(num, SHAPE, is_periodic=True, **more)
    return next(noise.steps([drawn_for(seed, TIME, 1) for seed in seeds]))


def test_each_value_is_standard_normal():
    found = fields(3, range(4000))
    assert found.shape == (4000, 3, *SHAPE)
    assert found.mean(0).abs().max() < 0.09
    torch.testing.assert_close(found.var(0), torch.ones(3, *SHAPE), atol=0.13, rtol=0)
    assert (found**4).mean((0, 2, 3)).sub(3).abs().max() < 0.1


def test_fields_are_alike_on_ever_larger_scales():
    """The first is white; all close around the globe, none across the poles."""
    found = fields(4, range(2000))
    east, south = ((found * found.roll(1, axis)).mean(0) for axis in (-1, -2))
    by_field = east.mean((-2, -1))
    assert by_field[0].abs() < 0.01
    assert (by_field.diff() > 0.1).all()
    torch.testing.assert_close(east.mean(-2)[:, 0], by_field, atol=0.2, rtol=0)
    assert (south[:, 1:].mean((-2, -1)).diff() > 0.1).all()
    far = (found * found.roll((6, 12), (-2, -1))).mean(0)
    assert far.abs().max() < 0.12


def test_noise_does_not_know_what_it_is_drawn_with():
    """One by one, all at once, in bands of latitudes; and each step is another."""
    whole = fields(2, range(5))
    for seed in range(5):
        torch.testing.assert_close(fields(2, [seed])[0], whole[seed], rtol=0, atol=1e-6)
    bands = [fields(2, range(5), rows=rows) for rows in (slice(0, 4), slice(4, 13))]
    torch.testing.assert_close(torch.cat(bands, -2), whole, rtol=0, atol=1e-6)
    noise = Noise(2, SHAPE, is_periodic=False)
    one, two = itertools.islice(noise.steps([drawn_for(0, TIME, 1)]), 2)
    assert not torch.equal(one, two)
    again = list(itertools.islice(noise.steps([drawn_for(0, TIME, 1)]), 2))
    assert torch.equal(torch.stack([one, two]), torch.stack(again))


def test_numbers_follow_from_seed_time_and_what_they_are_for():
    other = np.datetime64("2001-02-03T07")
    named = [(0, TIME, 1), (1, TIME, 1), (0, other, 1), (0, TIME, 2), (0, TIME, 1, 0)]
    found = {drawn_for(*names).integers(2**60) for names in named}
    assert len(found) == len(named)
    assert drawn_for(0, TIME.astype("M8[ns]"), 1).integers(2**60) in found
    before = drawn_for(0, np.datetime64("1850-01-01"), 1)
    assert isinstance(before, np.random.Generator)


@pytest.mark.parametrize("shape", [(1, 5), (2, 1), (3, 4)])
def test_small_grids_have_noise(shape):
    found = next(Noise(3, shape, is_periodic=False).steps([drawn_for(0, TIME)] * 2))
    assert found.shape == (2, 3, *shape)
    assert found.isfinite().all()
