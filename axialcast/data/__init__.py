"""From any store to normalised windows of tensors, and back to labels."""

from axialcast.data.channels import Channel, Channels
from axialcast.data.normalize import Statistics, normalize_, statistics, unnormalize
from axialcast.data.opening.store import cadence, grid_of, open_analysis
from axialcast.data.streaming.batch import Batch
from axialcast.data.streaming.reading import States
from axialcast.data.streaming.windows import WindowLoader

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
