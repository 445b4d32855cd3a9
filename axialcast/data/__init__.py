"""From any store to normalised windows of tensors, and back to labels."""

from axialcast.data.batch import Batch
from axialcast.data.channels import Channel, Channels
from axialcast.data.normalize import Statistics, normalize_, statistics, unnormalize
from axialcast.data.reading import States
from axialcast.data.store import cadence, grid_of, open_analysis
from axialcast.data.windows import WindowLoader

__all__ = [
    "Batch",
    "Channel",
    "Channels",
    "States",
    "Statistics",
    "WindowLoader",
    "cadence",
    "grid_of",
    "normalize_",
    "open_analysis",
    "statistics",
    "unnormalize",
]
