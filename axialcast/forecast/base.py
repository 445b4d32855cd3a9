"""What the forecasts of a checkpoint are built on, in words.

Shapes: n members, l lead times, c prognostic channels.
"""

import numpy as np

from axialcast.forecast.checkpoint import Checkpoint
from axialcast.times.steps import step_text

__all__ = ["base_in_words"]

MOST = 10
"""Lead times that are told."""


def base_in_words(checkpoint: Checkpoint) -> str | None:
    """Which linear floor there is and how much it counts; None: forecasts are the network's."""
    floor = checkpoint.network.get("floor")
    if floor is None:
        return None
    # (n, l), means over channels.
    counts = np.array([each["blend"].float().mean(1).numpy() for each in checkpoint.members])
    shares = [float(each["floor_share"].mean()) for each in checkpoint.members]
    leads = np.unique(np.linspace(1, counts.shape[1], min(counts.shape[1], MOST)).round())
    told = ", ".join(
        f"{counts[:, int(lead) - 1].mean():.2f} at {step_text(int(lead) * checkpoint.step)}"
        for lead in leads
    )
    said = (
        f"a vector autoregression ({floor['patterns']} patterns, {floor['lags']} states"
        f"{', by season' if floor['seasons'] else ''}), of which forecasts are a blend: the "
        f"network counts {told}"
    )
    if any(shares):
        learned = ", ".join(f"{share:.2f}" for share in shares)
        return f"{said}; it builds on {learned} of the autoregression's step"
    return said
