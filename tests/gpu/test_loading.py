"""Batches that come to a GPU while it computes, from memory that is lent again."""

import numpy as np
import pytest
import torch

from axialcast.data import Batch, Channels, States, Statistics, WindowLoader, open_analysis
from axialcast.data.windows.copies import Copies

BUSY = 50_000_000
"""Cycles that the GPU is kept busy for, some hundredths of a second."""


@pytest.fixture(scope="module")
def make_loader(make_analysis, tmp_path_factory):
    """A function that makes a loader of 91 states in chunks of 4, streamed by a small buffer."""
    path = tmp_path_factory.mktemp("gpu") / "analysis.zarr"
    analysis = make_analysis(num_times=91)
    encoding = {name: {"chunks": (4, *array.shape[1:])} for name, array in analysis.items()}
    analysis.to_zarr(path, encoding=encoding, consolidated=False)
    channels = Channels.of(analysis)
    ones = np.ones(len(channels))

    def make(device, **options):
        statistics = Statistics(0 * ones, ones, ones, 0 * ones)
        states = States(open_analysis(path), channels, statistics, buffer_bytes=80 * 3 * 7 * 12 * 4)
        return WindowLoader(
            states, input_steps=2, target_steps=3, batch_size=5, device=device, **options
        )

    return make


@pytest.mark.parametrize("options", [{}, {"missing": "mask"}], ids=["whole", "masked"])
@pytest.mark.parametrize("on_a_side_stream", [False, True])
def test_batches_arrive_intact(options, on_a_side_stream, make_loader, gpu):
    """Each is read late, behind much work, when its memory could have been lent again."""
    stream = torch.cuda.Stream(gpu) if on_a_side_stream else torch.cuda.current_stream(gpu)
    sums, epochs = [], 3
    with torch.cuda.stream(stream):
        for _ in range(epochs):
            for batch in make_loader(gpu, **options).epoch(1):
                torch.cuda._sleep(BUSY // 10)
                copy = batch.states.clone()
                masks = None if batch.valid is None else batch.valid.clone()
                assert batch.states.device == gpu
                sums.append((copy, masks))
                del batch
    torch.cuda.synchronize()
    want = list(make_loader("cpu", **options).epoch(1)) * epochs
    assert len(want) == len(sums)
    for batch, (states, masks) in zip(want, sums, strict=True):
        assert torch.equal(states.cpu(), batch.states)
        assert (masks is None) == (batch.valid is None)
        if masks is not None:
            assert torch.equal(masks.cpu(), batch.valid)


def test_copies_do_not_wait_for_what_the_gpu_computes(gpu):
    """A batch has arrived while the stream that computes is still busy."""
    copies = Copies(gpu, 2)

    def begun():
        states = copies.lend((2, 3, 1, 5, 7), torch.float32)
        states.fill_(7.0)
        return copies.begun(Batch(states, np.zeros((2, 3), "datetime64[ns]"), None, 2))

    begun().copied.synchronize()  # memory of both kinds is there from now on
    torch.cuda.synchronize()
    torch.cuda._sleep(100 * BUSY)
    busy = torch.cuda.Event()
    busy.record()
    coming = begun()
    coming.copied.synchronize()
    assert not busy.query(), "the copy came behind the work"
    assert (copies.awaited(coming).states == 7.0).all()


def test_batches_are_on_the_chosen_gpu(make_loader, gpu):
    """Whether by number or as the current one, and threads never choose the first."""
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU alone; two are needed")
    with torch.cuda.device(1):
        assert next(make_loader("cuda").epoch(0)).states.device == torch.device("cuda:1")
    assert next(make_loader("cuda:1").epoch(0)).states.device == torch.device("cuda:1")
