"""Memory that is lent: never to two at a time, and again when the last user is gone."""

import gc

import numpy as np
import torch

from axialcast.data.windows.lending import Lender


def test_memory_is_lent_again_only_when_no_view_of_it_is_left():
    lender = Lender(keep=2)
    first = lender.lend((3, 5), np.float32)
    place = first.data_ptr()
    part = first.fill_(7)[1:].flatten()[2:]
    as_numpy = part.numpy()[1:]
    del first, part
    other = lender.lend((3, 5), np.float32).fill_(0)
    assert other.data_ptr() != place
    assert (as_numpy == 7).all()
    del as_numpy
    assert lender.lend((3, 5), np.float32).data_ptr() == place


def test_what_backward_needs_is_not_lent():
    lender = Lender(keep=2)
    weight = torch.ones(4, requires_grad=True)
    loss = (weight * lender.lend((4,), np.float32).fill_(3)).sum()
    lender.lend((4,), np.float32).fill_(0)
    loss.backward()
    np.testing.assert_array_equal(weight.grad, 3)


def test_no_more_waits_than_is_kept():
    lender = Lender(keep=1)
    lent = [lender.lend((2**20,), np.uint8) for _ in range(3)]
    places = {tensor.data_ptr() for tensor in lent}
    lent.clear()
    gc.collect()
    again = [lender.lend((2**20,), np.uint8) for _ in range(2)]
    assert again[0].data_ptr() in places
    assert len(lender._waiting[(2**20,), np.dtype(np.uint8)]) == 0
