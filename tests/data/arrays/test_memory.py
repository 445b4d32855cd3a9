"""Memory that is lent: never to two at a time, and again when the last user is gone."""

import gc

import numpy as np
import torch

from axialcast.data.arrays.memory import ALIGNMENT, Lender, aligned


def lend(lender, shape, dtype):
    """A lent array as a tensor."""
    return torch.from_numpy(lender.lend(shape, dtype))


def test_memory_is_lent_again_only_when_no_view_of_it_is_left():
    lender = Lender(keep=2)
    first = lend(lender, (3, 5), np.float32)
    place = first.data_ptr()
    part = first.fill_(7)[1:].flatten()[2:]
    as_numpy = part.numpy()[1:]
    del first, part
    other = lend(lender, (3, 5), np.float32).fill_(0)
    assert other.data_ptr() != place
    assert (as_numpy == 7).all()
    del as_numpy
    assert lend(lender, (3, 5), np.float32).data_ptr() == place


def test_what_backward_needs_is_not_lent():
    lender = Lender(keep=2)
    weight = torch.ones(4, requires_grad=True)
    loss = (weight * lend(lender, (4,), np.float32).fill_(3)).sum()
    lend(lender, (4,), np.float32).fill_(0)
    loss.backward()
    np.testing.assert_array_equal(weight.grad, 3)


def test_no_more_waits_than_is_kept():
    lender = Lender(keep=1)
    lent = [lend(lender, (2**20,), np.uint8) for _ in range(3)]
    places = {tensor.data_ptr() for tensor in lent}
    lent.clear()
    gc.collect()
    again = [lend(lender, (2**20,), np.uint8) for _ in range(2)]
    assert again[0].data_ptr() in places
    assert len(lender._waiting[(2**20,), np.dtype(np.uint8)]) == 0


def test_views_of_views_hold_what_is_lent():
    lender = Lender(keep=1)
    lent = lender.lend((7, 5), np.float32)
    lent[:] = 3
    rows = lent[2:][1:].reshape(-1)[3:]
    place = lent.ctypes.data
    del lent
    assert lender.lend((7, 5), np.float32).ctypes.data != place
    assert (rows == 3).all()
    del rows
    assert lender.lend((7, 5), np.float32).ctypes.data == place


def test_aligned_memory_begins_at_a_line_of_the_cache():
    for shape in ((1,), (3, 5), (7, 1021)):
        memory = aligned(shape, np.float32)
        assert memory.shape == shape
        assert memory.ctypes.data % ALIGNMENT == 0
