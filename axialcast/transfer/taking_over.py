"""What a network takes over from a trained one, and what of it begins anew."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from axialcast.forecast import Checkpoint
from axialcast.names import PROGNOSTIC
from axialcast.times.steps import step_text
from axialcast.transfer.axial import WIDTHS, axial
from axialcast.transfer.units import given_fields, told_fields

__all__ = ["TakenOver", "refuse_unlike", "taken_over"]

BODY = "body."
"""Begins the names of what is taken over; nearly all else of a network follows from its data."""
SHARE = "floor_share"
"""By channel, on how much of a linear floor's step a network builds; 0, or learned."""


@dataclass(frozen=True)
class TakenOver:
    """The weights of a network that goes on where another one was.

    Args:
        weights: a whole state dict.
        carried: names of the parameters in which nothing begins anew.
        lines: what was taken over as it is, what was fitted and how, and what begins anew.
    """

    weights: Mapping[str, Tensor]
    carried: frozenset[str]
    lines: Sequence[str]


def taken_over(parent: Checkpoint, child: Checkpoint) -> TakenOver:
    """What a new network begins with, so that it does at first what a trained one did.

    Forecasts are the parent's, to rounding, where grid and patches are the same, whatever the
    statistics that either normalises by, and whatever the child is told besides: it hears of that
    only by training. On another grid they are about the parent's.

    Args:
        parent: the trained network, of several the first.
        child: the new one: its weights are those it would begin with.

    Raises:
        ValueError: nothing of the parent fits, by the key of `model` that is in the way.
    """
    refuse_unlike(parent.network, child.network)
    old, new = (_of_body(weights) for weights in (parent.weights, child.weights))
    lines: list[str] = []
    if child.network.get("kind", "axial") == "axial":
        found, carried = axial(parent, child, old, new, lines.append)
    else:
        found, carried = _alike(parent, child, old, new, lines.append)
    same = sum(name in old and found[name].equal(old[name]) for name in new)
    lines[:0] = [f"{same} of {len(new)} tensors as they are"]
    lines += _other_tasks(parent, child)
    weights = dict(child.weights) | {f"{BODY}{name}": value for name, value in found.items()}
    weights |= _share(parent, child, lines.append)
    return TakenOver(weights, frozenset(f"{BODY}{name}" for name in carried), lines)


def refuse_unlike(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raises where networks of such settings have nothing in common.

    Args:
        old, new: keywords of `ForecastNetwork`.

    Raises:
        ValueError: their kinds differ, or their widths.
    """
    kinds = [network.get("kind", "axial") for network in (old, new)]
    must_agree = {"kind": "axial"} | (WIDTHS if kinds == ["axial"] * 2 else {})
    for key, default in must_agree.items():
        was, now = (network.get(key, default) for network in (old, new))
        if was != now:
            raise ValueError(
                f"model.{key} is {now}, and the checkpoint's is {was}; set it to {was}"
            )


def _of_body(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(BODY): v for k, v in weights.items() if k.startswith(BODY)}


def _alike(
    parent: Checkpoint,
    child: Checkpoint,
    old: Mapping[str, Tensor],
    new: Mapping[str, Tensor],
    say: Any,
) -> tuple[dict[str, Tensor], set[str]]:
    """Whatever has the same name and shape, of networks whose parts we do not know.

    Raises:
        ValueError: nothing has.
    """
    fits = {name for name, value in new.items() if name in old and old[name].shape == value.shape}
    if not fits:
        raise ValueError(
            "no tensor of the checkpoint has the name and the shape of one of model.kind "
            f"{child.network['kind']}; leave start_from out, or build the network as that one was"
        )
    for name, value in new.items():
        if name not in fits:
            was = _size(old[name]) if name in old else "not there"
            say(f"{name}: {_size(value)} here, {was} in the checkpoint: begins anew")
    if told_fields(parent) != told_fields(child) or given_fields(parent) != given_fields(child):
        say("fields or their normalisation differ: forecasts do not begin as the checkpoint's")
    return {name: old[name] if name in fits else value for name, value in new.items()}, fits


def _share(parent: Checkpoint, child: Checkpoint, say: Any) -> dict[str, Tensor]:
    """What the child builds on of the linear floor, where it learns that: as much as the parent."""
    was, now = (checkpoint.weights.get(SHARE) for checkpoint in (parent, child))
    learned = was is not None and bool(was.any())
    if now is None or not now.any():  # it does not
        if learned:
            say(
                "the checkpoint's network builds on a share of a linear floor, this one does not: "
                "forecasts do not begin as its"
            )
        return {}
    known = dict(zip(parent.channels, was if was is not None and learned else (), strict=False))
    nothing = torch.zeros_like(now[0])
    prognostic = child.channels.having(PROGNOSTIC)
    share = torch.stack([known.get(channel, nothing) for channel in prognostic])
    mean = f"{float(share.mean()):.2g}"
    say(f"the share of the linear floor begins as it was, {mean} on average")
    return {SHARE: share}


def _size(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"


def _other_tasks(parent: Checkpoint, child: Checkpoint) -> Iterator[str]:
    """In what the networks differ although all of their weights fit."""
    if parent.step != child.step:
        yield f"a step is {step_text(child.step)} here, {step_text(parent.step)} in the checkpoint"
