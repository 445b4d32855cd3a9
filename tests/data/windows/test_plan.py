"""Plans of epochs: every window once over all ranks, well mixed, within the memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axialcast.data.windows.plan import plan_epoch
from axialcast.data.windows.pool import Pool

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
@given(drop_last=st.booleans(), **CASE)
def test_ranks_share_every_batch(
    num_windows, page, reach, spare_rows, batch_size, world_size, shuffle, seed, holes, drop_last
):
    """Each takes an equal stretch of the batches that one would have, which hold all windows.

    Not shuffled, an equal stretch of all windows.
    """
    rows = rows_of(num_windows, holes)
    pool = pool_of(page, reach, spare_rows, batch_size)
    options = {"batch_size": batch_size, "shuffle": shuffle, "seed": seed, "drop_last": drop_last}
    (whole,) = plans(rows, pool, world_size=1, **options)
    sizes = np.diff(whole.bounds)
    grows = not (shuffle or drop_last) and len(rows) >= world_size
    if grows and sizes.min() < world_size:
        made = plans(rows, pool, world_size=world_size, **options)
        assert np.concatenate([plan.order for plan in made]).tolist() == list(range(len(rows)))
        assert min(np.diff(plan.bounds).min() for plan in made) >= 1
        return
    if len(sizes) and sizes.min() < world_size:
        with pytest.raises(ValueError, match=f"{sizes.min()} of one batch cannot be shared"):
            plans(rows, pool, world_size=world_size, **options)
        return
    if batch_size < world_size:
        return
    if drop_last:
        assert sizes.tolist() == [batch_size] * (len(rows) // batch_size)
    else:
        assert len(sizes) == -(-len(rows) // batch_size)
        assert sizes.max() <= min(batch_size, sizes.min() + 1)
    made = plans(rows, pool, world_size=world_size, **options)
    for number, size in enumerate(sizes):
        parts = [plan.order[plan.batch(number)] for plan in made]
        if shuffle:
            assert np.concatenate(parts).tolist() == whole.order[whole.batch(number)].tolist()
        ends = [size * (rank + 1) // world_size for rank in range(world_size)]
        assert np.cumsum([len(part) for part in parts]).tolist() == ends
    for plan in made:
        assert len(plan) == len(sizes)
        assert plan.bounds[-1] == len(plan.order) == len(plan.block)
        for window, block in zip(plan.order, plan.block, strict=True):
            assert plan.blocks[block][0] <= window < plan.blocks[block][1]
    delivered = whole.order.tolist()
    assert len(set(delivered)) == len(delivered) == sizes.sum()
    if not shuffle:
        assert delivered == list(range(len(delivered)))
        assert (np.diff(np.concatenate([plan.order for plan in made])) > 0).all()


@pytest.mark.parametrize(
    ("num_windows", "batch_size", "drop_last", "told"),
    [
        (3, 32, False, "3 windows in batches of 32: 3 of one batch .* choose a longer period or"),
        (90, 4, True, "90 windows in batches of 4: 4 of one .* choose a larger batch_size or"),
    ],
)
def test_windows_that_ranks_cannot_share(num_windows, batch_size, drop_last, told):
    pool = Pool(page=100, starts=100, pages=1, num_blocks=1, chain=1, ahead=0)
    options = {"batch_size": batch_size, "shuffle": False, "seed": 0, "drop_last": drop_last}
    with pytest.raises(ValueError, match=told):
        plans(np.arange(num_windows), pool, world_size=5, **options)


@pytest.mark.parametrize("world_size", [1, 2, 4, 8])
def test_a_rank_reads_its_share_of_the_blocks(world_size):
    """Blocks that two ranks read are those at the borders of shares."""
    pool = Pool.fitting(1000, reach=2, page=8, batch_size=32, ahead=2)
    assert pool.shares == 8
    assert pool.num_blocks % pool.shares == 0
    for plan in plans(
        np.arange(2999), pool, batch_size=32, world_size=world_size, shuffle=True, seed=1
    ):
        used = (plan.uses()[1] >= 0).sum()
        assert used <= len(plan.blocks) / world_size + 1


def test_shares_are_of_the_batch_and_the_buffer_alone():
    shares = {
        (capacity, batch_size): Pool.fitting(
            capacity, reach=2, page=8, batch_size=batch_size, ahead=2
        ).shares
        for capacity in (100, 1000, 10000)
        for batch_size in (1, 7, 32)
    }
    assert shares == {
        (100, 1): 1, (100, 7): 1, (100, 32): 1,
        (1000, 1): 1, (1000, 7): 4, (1000, 32): 8,
        (10000, 1): 1, (10000, 7): 4, (10000, 32): 32,
    }  # fmt: skip


def test_windows_in_memory_come_in_the_order_they_always_did():
    """One share: the permutation that a generator of (seed, epoch, 0) draws."""
    pool = Pool(page=53, starts=53, pages=1, num_blocks=1, chain=1, ahead=0)
    for drop_last in (False, True):
        (plan,) = plans(
            np.arange(53),
            pool,
            batch_size=7,
            world_size=1,
            shuffle=True,
            seed=5,
            epoch=2,
            drop_last=drop_last,
        )
        expected = np.argsort(np.random.default_rng([5, 2, 0]).random(53), kind="stable")
        assert plan.order.tolist() == expected[: len(plan.order)].tolist()
        assert len(plan.order) == (49 if drop_last else 53)


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
        # Of those that fit, shares waste one each but the first, and less than one more.
        assert pool.num_blocks >= batch_size - 2 * (pool.shares - 1)
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


@pytest.mark.parametrize(("windows", "batch_size", "ranks"), [(37, 8, 8), (13, 1, 5), (7, 3, 7)])
def test_by_time_every_rank_has_windows_of_every_batch(
    windows: int, batch_size: int, ranks: int
) -> None:
    pool = Pool(page=windows, starts=windows, pages=1, num_blocks=1, chain=1, ahead=0)
    plans = [
        plan_epoch(
            np.arange(windows),
            pool,
            batch_size=batch_size,
            shuffle=False,
            drop_last=False,
            seed=0,
            epoch=0,
            rank=rank,
            world_size=ranks,
        )
        for rank in range(ranks)
    ]
    assert np.concatenate([plan.order for plan in plans]).tolist() == list(range(windows))
    assert len({len(plan) for plan in plans}) == 1
    assert min(np.diff(plan.bounds).min() for plan in plans) == 1
