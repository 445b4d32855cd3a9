"""Plans of epochs: every window once over all ranks, well mixed, within the memory."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from axialcast.data.windows.plan import Pool, plan_epoch

CASE = {
    "num_windows": st.integers(1, 200),
    "page": st.integers(1, 9),
    "reach": st.integers(0, 12),
    "spare_rows": st.integers(0, 400),
    "batch_size": st.integers(1, 17),
    "world_size": st.integers(1, 4),
    "shuffle": st.booleans(),
    "seed": st.integers(0, 3),
    "holes": st.integers(0, 5),
}


def pool_of(page, reach, spare_rows, batch_size):
    least = 60 * (page + reach + 9)
    return Pool.fitting(least + spare_rows, reach=reach, page=page, batch_size=batch_size, ahead=2)


def rows_of(num_windows, holes):
    """Rows in which windows start, some left out."""
    return np.setdiff1d(np.arange(num_windows), np.arange(holes) * 7 + 1)


def plans(rows, pool, *, batch_size, world_size, shuffle, seed, drop_last=False, epoch=0):
    return [
        plan_epoch(
            rows,
            pool,
            batch_size=batch_size,
            shuffle=shuffle,
            drop_last=drop_last,
            seed=seed,
            epoch=epoch,
            rank=rank,
            world_size=world_size,
        )
        for rank in range(world_size)
    ]


@settings(max_examples=80, deadline=None)
@given(**CASE)
def test_ranks_deliver_every_window_once_in_equally_many_batches(
    num_windows, page, reach, spare_rows, batch_size, world_size, shuffle, seed, holes
):
    rows = rows_of(num_windows, holes)
    pool = pool_of(page, reach, spare_rows, batch_size)
    settings_ = {"batch_size": batch_size, "world_size": world_size, "shuffle": shuffle}
    fair = [
        len(rows) * (r + 1) // world_size - len(rows) * r // world_size for r in range(world_size)
    ]
    if min(fair) < max(1, -(-max(fair) // batch_size)):
        with pytest.raises(ValueError, match="drop_last"):
            plans(rows, pool, seed=seed, **settings_)
        return
    made = plans(rows, pool, seed=seed, **settings_)
    assert len({len(plan) for plan in made}) == 1
    delivered = np.concatenate([plan.order for plan in made])
    assert sorted(delivered) == list(range(len(rows)))
    for plan in made:
        sizes = np.diff(plan.bounds)
        assert plan.bounds[0] == 0
        assert plan.bounds[-1] == len(plan.order)
        assert sizes.min() >= 1
        assert sizes.max() <= batch_size
        for window, block in zip(plan.order, plan.block, strict=True):
            assert plan.blocks[block][0] <= window < plan.blocks[block][1]
    again = plans(rows, pool, seed=seed, **settings_)
    assert all((a.order == b.order).all() for a, b in zip(made, again, strict=True))
    if not shuffle:
        assert (np.diff(delivered) == 1).all()


@settings(max_examples=40, deadline=None)
@given(**CASE)
def test_drop_last_keeps_full_batches_and_the_same_number_on_every_rank(
    num_windows, page, reach, spare_rows, batch_size, world_size, shuffle, seed, holes
):
    rows = rows_of(num_windows, holes)
    assume(len(rows) >= world_size)
    pool = pool_of(page, reach, spare_rows, batch_size)
    made = plans(
        rows,
        pool,
        batch_size=batch_size,
        world_size=world_size,
        shuffle=shuffle,
        seed=seed,
        drop_last=True,
    )
    assert {len(plan) for plan in made} == {len(rows) // world_size // batch_size}
    assert all((np.diff(plan.bounds) == batch_size).all() for plan in made)


@settings(max_examples=50, deadline=None)
@given(
    page=st.integers(1, 8),
    reach=st.integers(0, 11),
    capacity=st.integers(100, 2000),
    batch_size=st.integers(1, 32),
    seed=st.integers(0, 3),
)
def test_blocks_in_use_fit_the_buffer(page, reach, capacity, batch_size, seed):
    try:
        pool = Pool.fitting(capacity, reach=reach, page=page, batch_size=batch_size, ahead=2)
    except ValueError:
        return
    (plan,) = plans(
        np.arange(3000), pool, batch_size=batch_size, world_size=1, shuffle=True, seed=seed
    )
    assert pool.starts + reach <= pool.pages * page
    assert (plan.most_blocks() + pool.ahead) * pool.pages * page <= 1.1 * capacity


def test_a_batch_draws_from_many_blocks():
    pool = Pool.fitting(366 - 48, reach=2, page=8, batch_size=16, ahead=2)
    (plan,) = plans(np.arange(2918), pool, batch_size=16, world_size=1, shuffle=True, seed=0)
    cells = [len(set((plan.order[plan.batch(k)] // 40).tolist())) for k in range(len(plan) - 1)]
    assert np.mean(cells) > 9
    assert min(cells) >= 5


def test_blocks_grow_only_while_there_is_one_for_every_window_of_a_batch():
    for batch_size in (16, 64):
        pool = Pool.fitting(4000, reach=11, page=8, batch_size=batch_size, ahead=2)
        assert pool.num_blocks >= batch_size
    small = Pool.fitting(4000, reach=11, page=8, batch_size=16, ahead=2)
    assert small.starts > pool.starts


def test_blocks_that_follow_one_another_in_the_pool_are_neighbours():
    pool = Pool(page=8, starts=8, pages=2, num_blocks=16, chain=10, ahead=2)
    (plan,) = plans(np.arange(2920), pool, batch_size=16, world_size=1, shuffle=True, seed=0)
    followed = sum(
        (plan.blocks[i + 16, 0] == plan.blocks[i, 1]) for i in range(len(plan.blocks) - 16)
    )
    assert followed > 0.7 * len(plan.blocks)


def test_epochs_and_seeds_differ():
    pool = Pool(page=8, starts=8, pages=2, num_blocks=16, chain=4, ahead=2)
    orders = {
        tuple(
            plans(
                np.arange(300),
                pool,
                batch_size=8,
                world_size=1,
                shuffle=True,
                seed=seed,
                epoch=epoch,
            )[0].order
        )
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(orders) == 4


def test_a_buffer_that_is_too_small_is_refused():
    with pytest.raises(
        ValueError, match="buffer_bytes: holds 30 states beside a batch, expected at least 64"
    ):
        Pool.fitting(30, reach=2, page=8, batch_size=16, ahead=2)


def test_the_least_buffer_reads_nothing_ahead():
    options = {"reach": 2, "page": 8, "batch_size": 16}
    assert Pool.fitting(64, ahead=16, **options).ahead == 0
    assert Pool.fitting(1000, ahead=16, **options).ahead == 16
    with pytest.raises(ValueError, match="expected at least 64"):
        Pool.fitting(63, ahead=16, **options)


def test_a_pool_of_everything_is_one_permutation():
    pool = Pool(page=100, starts=100, pages=1, num_blocks=1, chain=1, ahead=0)
    (plan,) = plans(np.arange(97), pool, batch_size=8, world_size=1, shuffle=True, seed=0)
    assert len(plan.blocks) == 1
    # The mean distance to the sorted place of a random permutation is n / 3.
    assert abs(np.abs(plan.order - np.arange(97)).mean() - 97 / 3) < 8
