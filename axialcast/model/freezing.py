"""Parts of a network that keep the weights they start with."""

from collections.abc import Sequence

from torch import nn

__all__ = ["freeze", "parts_of"]


def parts_of(network: nn.Module) -> dict[str, list[str]]:
    """The names of the parameters of a network's body by part.

    Parts are those that the body names in its attribute `parts`, by the beginnings of its
    parameters' names, or else its submodules.
    """
    body = network.get_submodule("body")
    named: dict[str, str] = getattr(body, "parts", None) or {
        name: name for name, _ in body.named_children()
    }
    found: dict[str, list[str]] = {part: [] for part in named}
    for name, _ in body.named_parameters():
        begins = [part for part, start in named.items() if f"{name}.".startswith(f"{start}.")]
        found.setdefault(begins[0] if begins else name, []).append(f"body.{name}")
    return {part: names for part, names in found.items() if names}


def freeze(network: nn.Module, parts: Sequence[str]) -> None:
    """Lets parts of a network keep their weights.

    Raises:
        ValueError: it has no such part, or nothing would be left to train.
    """
    known = parts_of(network)
    for part in parts:
        if part not in known:
            raise ValueError(
                f"train.freeze: {part} is no part of this network, expected some of "
                f"{', '.join(known)}"
            )
    if known.keys() <= set(parts):
        raise ValueError(
            "train.freeze: names every part, so that nothing would be trained; leave one out"
        )
    for part in parts:
        for name in known[part]:
            network.get_parameter(name).requires_grad_(False)
