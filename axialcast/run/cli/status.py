"""`axialcast status`: how far a run is."""

from typing import Annotated

import typer

from axialcast.disclosure import shown
from axialcast.run.cli.arguments import Options, Traceback
from axialcast.run.cli.speaking import plain_errors, say

__all__ = ["status"]


def status(
    output: Annotated[str, typer.Argument(help="The output folder of a run, or its URL.")],
    options: Options = None,
    traceback: Traceback = False,
) -> None:
    """Say which stages of a run are done, running, stopped or damaged, and what its jobs do."""
    with plain_errors(traceback):
        from axialcast.run.status import status
        from axialcast.run.urls import seen

        with seen(output, options or [], whole=False) as here:
            for line in status(here):
                say(line.replace(str(here), shown(output)))
