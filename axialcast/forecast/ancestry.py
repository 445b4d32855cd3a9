"""Which checkpoints a network started from, as its provenance tells."""

from collections.abc import Iterator, Mapping
from typing import Any

from axialcast.disclosure import shown

__all__ = ["ancestors"]


def ancestors(provenance: Mapping[str, Any]) -> Iterator[str]:
    """A line for each checkpoint that training started from, the nearest first.

    Args:
        provenance: of a checkpoint; under `start_from` it has the parent's `checkpoint` (address),
            `fingerprint`, `grid`, `step` and own `provenance`.
    """
    while (known := provenance.get("start_from")) is not None:
        provenance = known["provenance"]
        period = " to ".join(map(str, provenance.get("train", ()))) or "an unknown period"
        stores = provenance.get("store") or "an unknown store"
        place, *more = [stores] if isinstance(stores, str) else stores
        store = f"{shown(str(place))}{f' and {len(more)} more' if more else ''}"
        yield (
            f"{shown(str(known['checkpoint']))} ({known['fingerprint']}), trained on {period} of "
            f"{store}, {known['grid']}, a step of {known['step']}"
        )
