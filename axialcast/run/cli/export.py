"""`axialcast export`: a checkpoint's network as a program that runs without axialcast."""

from pathlib import Path
from typing import Annotated

import typer

from axialcast.disclosure import shown
from axialcast.run.cli.arguments import Options, Traceback
from axialcast.run.cli.speaking import plain_errors, say

__all__ = ["export"]


def export(
    checkpoint: Annotated[str, typer.Argument(help="A checkpoint, or a run; of a URL, a copy.")],
    out: Annotated[Path, typer.Argument(help="File to write, which ends in .pt2.")],
    options: Options = None,
    member: Annotated[
        int | None, typer.Option(help="Which network, counted from 0, where there are several.")
    ] = None,
    network: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Python file that builds the network, if yours does."),
    ] = None,
    traceback: Traceback = False,
) -> None:
    """Write a network as a torch.export program: physical units in and out, no axialcast needed."""
    with plain_errors(traceback):
        from axialcast.exporting import export
        from axialcast.forecast import load_checkpoint
        from axialcast.run.stamps import checkpoint_in
        from axialcast.run.urls import seen

        with seen(checkpoint, options or [], whole=True) as here:
            try:
                trained = load_checkpoint(checkpoint_in(here), network=network)
            except (FileNotFoundError, ValueError) as error:
                raise type(error)(str(error).replace(str(here), shown(checkpoint))) from None
        export(trained, out, member=member)
        say(
            f"written to {out}; `axialcast cp exported` is a program that runs it without axialcast"
        )
