"""From any store to normalised windows of tensors, and back to labels.

The names below are imported when they are first used: reading an analysis does not cost torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from axialcast.data.channels import Channel, Channels
    from axialcast.data.normalize import Statistics, normalize_, statistics, unnormalize
    from axialcast.data.opening.static import open_static
    from axialcast.data.opening.store import open_analysis
    from axialcast.data.reader import Analysis
    from axialcast.data.static import Static
    from axialcast.data.windows.batch import Batch
    from axialcast.data.windows.loader import WindowLoader
    from axialcast.data.windows.reading import States
    from axialcast.grid import grid_of
    from axialcast.times.calendars import cadence

__all__ = [
    "Analysis",
    "Batch",
    "Channel",
    "Channels",
    "States",
    "Static",
    "Statistics",
    "WindowLoader",
    "cadence",
    "grid_of",
    "normalize_",
    "open_analysis",
    "open_static",
    "statistics",
    "unnormalize",
]

_HOMES = {
    "Analysis": "data.reader",
    "Batch": "data.windows.batch",
    "Channel": "data.channels",
    "Channels": "data.channels",
    "States": "data.windows.reading",
    "Static": "data.static",
    "Statistics": "data.normalize",
    "WindowLoader": "data.windows.loader",
    "cadence": "times.calendars",
    "grid_of": "grid",
    "normalize_": "data.normalize",
    "open_analysis": "data.opening.store",
    "open_static": "data.opening.static",
    "statistics": "data.normalize",
    "unnormalize": "data.normalize",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'axialcast.data' has no attribute {name!r}")
    return getattr(importlib.import_module(f"axialcast.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
