"""`axialcast plot`: a map, meteogram or animation of a store, as a picture."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from axialcast.run.cli.arguments import Traceback
from axialcast.run.cli.speaking import plain_errors, say

__all__ = ["plot"]


class Kind(StrEnum):
    """What is drawn."""

    MAP = "map"
    METEOGRAM = "meteogram"
    ANIMATION = "animation"


def plot(
    store: Annotated[str, typer.Argument(help="A forecast or analysis, or a run's folder.")],
    kind: Annotated[Kind, typer.Argument(help="What to draw.")] = Kind.MAP,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="PNG, SVG or PDF; of an animation GIF, HTML, or MP4 with ffmpeg.",
        ),
    ] = None,
    variable: Annotated[str | None, typer.Option(help="Which; else the report's first.")] = None,
    level: Annotated[float | None, typer.Option(help="In hPa.")] = None,
    init_time: Annotated[
        str | None, typer.Option(help="A date or its beginning; of an analysis its time.")
    ] = None,
    lead_time: Annotated[str | None, typer.Option(help="Such as 36h, 3D or 2M.")] = None,
    number: Annotated[int | None, typer.Option(help="Of a member; else the mean.")] = None,
    lat: Annotated[float | None, typer.Option(help="Degrees north, of a meteogram.")] = None,
    lon: Annotated[float | None, typer.Option(help="Degrees east, of a meteogram.")] = None,
    traceback: Traceback = False,
) -> None:
    """Draw a map, a meteogram or an animation of a forecast, or a map of an analysis."""
    with plain_errors(traceback):
        from axialcast.report import views
        from axialcast.report.meteograms import plotted_meteogram
        from axialcast.run.pictures import opened, saved, target_of

        if kind is not Kind.METEOGRAM and (lat is not None or lon is not None):
            raise ValueError(f"--lat, --lon: belong to a meteogram, not to {kind.value}")
        if kind is not Kind.MAP and lead_time is not None:
            raise ValueError(f"--lead-time: belongs to a map; {kind.value} shows all")
        target = target_of(out, kind.value)
        with opened(store) as dataset:
            if kind is Kind.METEOGRAM:
                if lat is None or lon is None:
                    raise ValueError("meteogram: give its place, --lat and --lon")
                if number is not None:
                    raise ValueError("--number: a meteogram shows all members")
                figure = plotted_meteogram(
                    dataset, lat, lon, variables=variable, init_time=init_time, level=level
                )
                saved(figure, target)
            elif kind is Kind.MAP:
                figure = views.plotted_map(
                    dataset,
                    variable,
                    init_time=init_time,
                    lead_time=lead_time,
                    level=level,
                    number=number,
                )
                saved(figure, target)
            else:
                film = views.animated(
                    dataset, variable, init_time=init_time, level=level, number=number
                )
                views.save_film(film, target)
        say(f"written to {target}")
