"""axialcast: weather forecasting with axial attention.

The names below are imported when they are first used, so that a part of the package costs only
what that part needs: `import axialcast.nn` costs torch and nothing else.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from axialcast.data import open_analysis
    from axialcast.forecast import Forecaster, load
    from axialcast.grid import LatLonGrid
    from axialcast.model import ForecastNetwork
    from axialcast.run.config import Config, load_config

__all__ = [
    "Config",
    "ForecastNetwork",
    "Forecaster",
    "LatLonGrid",
    "load",
    "load_config",
    "open_analysis",
]

_HOMES = {
    "Config": "run.config",
    "ForecastNetwork": "model",
    "Forecaster": "forecast",
    "LatLonGrid": "grid",
    "load": "forecast",
    "load_config": "run.config",
    "open_analysis": "data",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("axialcast")
    if name not in _HOMES:
        raise AttributeError(f"module 'axialcast' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"axialcast.{_HOMES[name]}"), name)
    _register()
    return found


def _register() -> None:
    """Gives datasets their `.axialcast`, where xarray is in use."""
    if "xarray" in sys.modules:
        importlib.import_module("axialcast.accessor")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


_register()
