"""`axialcast tune`: a search for better settings."""

from typing import Annotated

import typer

from axialcast import parallel, stopping
from axialcast.run.cli.arguments import ConfigArgument, Overrides, Traceback, load, require_writable
from axialcast.run.cli.speaking import plain_errors, say

__all__ = ["tune"]


def tune(
    config: ConfigArgument,
    overrides: Overrides = None,
    minutes: Annotated[
        float, typer.Option(min=0.01, help="How long to search; the next search goes on.")
    ] = 20.0,
    traceback: Traceback = False,
) -> None:
    """Search for better settings by data.validate alone; writes the best into the output folder."""
    with plain_errors(traceback), stopping.raised():
        path, settings = load(config, overrides)
        if parallel.launch().world_size > 1:
            raise ValueError("axialcast tune: one process searches; start it once")
        require_writable(settings.output)
        from axialcast.run.tuning import Tuning

        Tuning.of(path, overrides or [], say).run(minutes)
