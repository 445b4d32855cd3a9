"""`dataset.axialcast`: pictures of forecasts and analyses, where xarray's users look for them.

`import axialcast.accessor` registers it, as does all of axialcast that reads or makes datasets.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from axialcast.report.views import Film

__all__ = ["Pictures"]


@xr.register_dataset_accessor("axialcast")  # type: ignore[no-untyped-call]
class Pictures:
    """Pictures of a forecast or an analysis of axialcast's conventions, drawn as in the report.

    Example:
        >>> forecast = xr.open_zarr("runs/quickstart/forecast.zarr")
        >>> forecast.axialcast.plot_map("geopotential", level=500, lead_time="3D")
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def plot_map(
        self,
        variable: str | None = None,
        init_time: Any = None,
        lead_time: Any = None,
        level: float | None = None,
        number: int | None = None,
        *,
        cmap: str = "viridis",
        levels: Sequence[float] | None = None,
        width: float = 6.0,
    ) -> "Figure":
        """A map with coasts; see `axialcast.report.views.plotted_map`."""
        from axialcast.report.views import plotted_map

        return plotted_map(
            self._dataset,
            variable,
            init_time=init_time,
            lead_time=lead_time,
            level=level,
            number=number,
            cmap=cmap,
            levels=levels,
            width=width,
        )

    def plot_meteogram(
        self,
        lat: float,
        lon: float,
        variables: Sequence[str] | str | None = None,
        init_time: Any = None,
        level: float | None = None,
        *,
        width: float = 6.0,
    ) -> "Figure":
        """Lines at a place; see `axialcast.report.meteograms.plotted_meteogram`."""
        from axialcast.report.meteograms import plotted_meteogram

        return plotted_meteogram(
            self._dataset,
            lat,
            lon,
            variables=variables,
            init_time=init_time,
            level=level,
            width=width,
        )

    def animate(
        self,
        variable: str | None = None,
        init_time: Any = None,
        level: float | None = None,
        number: int | None = None,
        *,
        cmap: str = "viridis",
        width: float = 6.0,
        path: str | Path | None = None,
    ) -> "Film":
        """Maps of all lead times in turn, which a notebook plays; written to `path` (.gif, .html,
        .mp4) if there is one. See `axialcast.report.views.animated`."""
        from axialcast.report.views import animated, save_film

        film = animated(
            self._dataset,
            variable,
            init_time=init_time,
            level=level,
            number=number,
            cmap=cmap,
            width=width,
        )
        if path is not None:
            save_film(film, Path(path))
        return film
