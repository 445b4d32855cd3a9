"""What a step of training or forecasting holds at most, found without computing it.

The step is made with tensors that have shapes and no memory, and every
storage is counted from its first tensor to its last: what autograd keeps, temporaries, gradients.
That is what an allocator hands out at most, kernels' own scratch apart.

Shapes: b windows, t states in a window, c channels, h latitudes, w longitudes.
"""

import itertools
import statistics
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from axialcast.model.loss import Loss
from axialcast.model.network import ForecastNetwork
from axialcast.model.rollout import rollout
from axialcast.nn.reversible import ReversibleBlock

__all__ = ["Footprint", "forecasting_bytes", "timed_step", "training_footprint"]

NetworkOf = Callable[[], ForecastNetwork]
Counted = TypeVar("Counted")
DAY = np.timedelta64(1, "D")
WITHOUT_MEMORY = True
"""Whether tensors have shapes alone; otherwise the step is made."""


@dataclass(frozen=True)
class Footprint:
    """Bytes of a training step on one device.

    Args:
        parameters: of the weights.
        largest_block: of the weights of the largest block, and `rest` of those outside blocks.
        working: gradients of all weights, batch, activations and temporaries, at most.
    """

    parameters: float
    largest_block: float
    rest: float
    working: float


def training_footprint(
    network_of: NetworkOf,
    shape: tuple[int, int, int, int, int],
    *,
    input_steps: int,
    masked: bool,
    bfloat16: bool,
    is_own: bool = False,
) -> Footprint:
    """What a step on one batch holds, its gradients in place.

    Args:
        network_of: makes the network.
        shape: (b, t, c, h, w) of the batch, input and target states, forcings among the channels.
        input_steps: how many of the t states are given.
        masked: whether values may be missing.
        bfloat16: whether the network computes in it.
        is_own: whether the body is a user's, which may want values: then the step is made after
            all.
    """

    def counted(live: _Live) -> Footprint:
        network = network_of()
        states = torch.zeros(shape)
        valid = torch.ones(shape, dtype=torch.bool) if masked else None
        forecast_channels = shape[2] - network.num_forcings
        known = None if valid is None else valid[:, input_steps - 1, :forecast_channels]
        scale, area = torch.ones(forecast_channels, 1, 1), torch.ones(shape[3:])
        parameters = [p for p in network.parameters() if p.requires_grad]
        weights = sum(map(_size, parameters))
        for _ in range(2):  # in the second, gradients are there and are added to
            live.peak = live.now
            with torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext():
                steps = _rolled(network, states, input_steps, valid=known)
                forecast = torch.stack(list(steps), 1).float()
            target = states[:, input_steps:, :forecast_channels]
            judged = None
            if valid is not None and known is not None:
                judged = valid[:, input_steps:, :forecast_channels] & known[:, None]
            loss = Loss.of("mse").upper(
                forecast[None], target, area_weights=area, scale=scale, valid=judged
            )
            loss.sum().backward()  # type: ignore[no-untyped-call]
            del steps, forecast, target, judged, loss
        alike = [part for part in network.modules() if isinstance(part, ReversibleBlock)]
        blocks = [sum(map(_size, block.parameters())) for block in alike] or [0]
        return Footprint(weights, max(blocks), weights - sum(blocks), live.peak - weights)

    return _counting(counted, is_own)


def forecasting_bytes(
    network_of: NetworkOf,
    shape: tuple[int, int, int, int, int],
    *,
    bfloat16: bool,
    is_own: bool = False,
) -> float:
    """What one model step of a batch holds at most, weights and input states among it.

    Args:
        network_of: makes the network.
        shape: (b, t, c, h, w) of the input states, forcings among the channels.
        bfloat16: whether the network computes in it.
        is_own: as for `training_footprint`.
    """

    def counted(live: _Live) -> float:
        with torch.inference_mode():
            network = network_of()
            states = torch.zeros(shape)
            with torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext():
                given, forcings = states[:, :, : network.num_channels], None
                if network.num_forcings:
                    forcings = [states[:, :, -network.num_forcings :]]
                times = _times(*shape[:2])
                noise = [_noise(network, states)] if network.num_noise else None
                for _ in rollout(
                    network, given, times, step=DAY, num_steps=1, forcings=forcings, noise=noise
                ):
                    pass
        return live.peak

    return _counting(counted, is_own)


def timed_step(
    network: ForecastNetwork,
    states: Tensor,
    *,
    input_steps: int,
    context: Callable[[], AbstractContextManager[Any]],
    count: int,
) -> float:
    """Median seconds of a forward and backward pass, after one that does not count.

    Args:
        states: (b, t, c, h, w) input and target states.
        input_steps: how many of the t states are given.
        context: that the network computes in.
        count: passes that count.
    """
    seconds = []
    for _ in range(count + 1):
        begin = time.perf_counter()
        with context():
            steps = _rolled(network, states, input_steps)
            loss = torch.stack(list(steps)).float().square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        if states.is_cuda:
            torch.cuda.synchronize(states.device)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])


def _rolled(
    network: ForecastNetwork, states: Tensor, input_steps: int, valid: Tensor | None = None
) -> Iterator[Tensor]:
    """A rollout from the input states of a batch to its last."""
    num_steps, forcings = states.shape[1] - input_steps, None
    if network.num_forcings:
        told = states[:, :, -network.num_forcings :]
        forcings = (told[:, n + 1 : n + 1 + input_steps] for n in range(num_steps))
    noise = None
    if network.num_noise:
        noise = itertools.repeat(_noise(network, states), num_steps)
    return rollout(
        network,
        states[:, :input_steps, : network.num_channels],
        _times(len(states), input_steps),
        step=DAY,
        num_steps=num_steps,
        forcings=forcings,
        noise=noise,
        valid=valid,
    )


def _noise(network: ForecastNetwork, states: Tensor) -> Tensor:
    return states.new_zeros(len(states), network.num_noise, *states.shape[3:])


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts bytes of storages while they are in use.

    Attributes:
        now, peak: bytes.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # it would import torch's compiler, which takes a second

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now, self.peak = 0, 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage())
        return out

    def _add(self, storage: Any) -> None:
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


def _counting(counted: Callable[[_Live], Counted], is_own: bool) -> Counted:
    """What is counted on tensors without memory; of a user's network, if need be, with it."""
    try:
        with _counted(WITHOUT_MEMORY) as live:
            return counted(live)
    except Exception:
        if not is_own:
            raise
    with _counted(False) as live:
        return counted(live)


@contextmanager
def _counted(without_memory: bool) -> Iterator[_Live]:
    """Within the context, tensors have no memory, and what they would have is counted."""
    # Not the device `meta`, which knows no autocast, and where other kernels take other room.
    from torch._subclasses.fake_tensor import FakeTensorMode

    without = FakeTensorMode(allow_non_fake_inputs=True) if without_memory else nullcontext()
    state = torch.get_rng_state()
    try:
        with without, _Live() as live:
            yield live
    finally:
        torch.set_rng_state(state)


def _times(num_windows: int, num_states: int) -> Any:
    times = np.datetime64("2001-01-01", "ns") + DAY * np.arange(num_states)
    return np.broadcast_to(times, (num_windows, num_states))


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
