"""What an update is made with: AdamW or Muon, which weights decay, the learning rate of a step."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import AdamW

from axialcast.training.muon import SMALLEST, Muon
from axialcast.training.parallel import shared_like

__all__ = [
    "adamw",
    "learning_rate",
    "load_optimizer",
    "muon",
    "optimizer_tensors",
    "parameter_groups",
]
BETAS = 0.9, 0.95


def adamw(
    network: nn.Module, *, weight_decay: float, rates: Mapping[str, float] | None = None
) -> AdamW:
    """AdamW for a network; its learning rate is set at each step.

    Args:
        rates: by the names of parameters, their share of that rate; 1 for all others.
    """
    groups = parameter_groups(network, weight_decay, rates)
    return AdamW(groups, betas=BETAS, fused=_on_gpu(network) or None)


def muon(
    network: nn.Module, *, weight_decay: float, rates: Mapping[str, float] | None = None
) -> Muon:
    """Muon for the layers of a network that map many features to many, AdamW for what is left."""
    layers = nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d
    weights = [module.weight for module in network.modules() if isinstance(module, layers)]
    large = {id(w) for w in weights if min(len(w), w[0].numel()) >= SMALLEST}
    groups = []
    for group in parameter_groups(network, weight_decay, rates):
        for is_large in (True, False):
            params = [p for p in group["params"] if (id(p) in large) == is_large]
            if params:
                groups.append({**group, "params": params, "orthogonal": is_large})
    return Muon(groups, betas=BETAS, fused=_on_gpu(network) or None)


def _on_gpu(network: nn.Module) -> bool:
    return all(p.device.type == "cuda" for p in network.parameters())


def parameter_groups(
    network: nn.Module, weight_decay: float, rates: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Those that are trained, of one rate each: matrices decay; gains, biases, positions do not."""
    matrices = [m.weight for m in network.modules() if isinstance(m, nn.Linear)]
    chosen = {id(weight) for weight in matrices}
    others = [p for p in network.parameters() if id(p) not in chosen]
    share = {id(p): (rates or {}).get(name, 1.0) for name, p in network.named_parameters()}
    found = []
    for parameters, decay in ((matrices, weight_decay), (others, 0.0)):
        for rate in sorted({share[id(p)] for p in parameters}, reverse=True):
            params = [p for p in parameters if p.requires_grad and share[id(p)] == rate]
            if params:
                found.append({"params": params, "weight_decay": decay, "rate": rate})
    return found


def learning_rate(
    step: int, *, stages: Iterable[tuple[int, int]], peak: float, warmup_steps: int
) -> float:
    """Linear warm-up, then a cosine to zero (Loshchilov & Hutter 2017, SGDR, eq. 5).

    The cosine runs over model steps, not optimizer steps, so that stages with long rollouts, few
    as their optimizer steps are, learn at a rate that still changes something.

    Args:
        step: of the optimizer, from 1.
        stages: steps of the optimizer in each stage of training, and model steps in each of them.
        peak: the rate after warm-up.
        warmup_steps: over which it rises.
    """
    left, done, total = step - 1, 0, 0
    for steps, rollout_steps in stages:
        done += min(left, steps) * rollout_steps
        left -= min(left, steps)
        total += steps * rollout_steps
    warm = min(1.0, step / max(1, warmup_steps))
    return peak * warm * 0.5 * (1 + math.cos(math.pi * done / total))


def optimizer_tensors(optimizer: AdamW, network: nn.Module) -> dict[str, Tensor]:
    """What the optimizer remembers, by the name of the parameter: `<name>.exp_avg` and the like."""
    return {
        f"{name}.{key}": value
        for name, parameter in network.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def load_optimizer(
    optimizer: AdamW, network: nn.Module, tensors: Mapping[str, Tensor], *, start: str = ""
) -> None:
    """Gives an optimizer back what `optimizer_tensors` told of it, under names that start so."""
    of: dict[str, dict[str, Tensor]] = {}
    for name in tensors:
        if not name.startswith(start):
            continue
        parameter, _, key = name.removeprefix(start).rpartition(".")
        own = tensors[name]
        if key != "step":
            own = shared_like(own, network.get_parameter(parameter))
        # Copied, for the optimizer keeps what it is given, and that may be a file in memory.
        of.setdefault(parameter, {})[key] = own.clone()
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    in_order = [p for group in optimizer.param_groups for p in group["params"]]
    state = {n: of[names[id(p)]] for n, p in enumerate(in_order) if names[id(p)] in of}
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
