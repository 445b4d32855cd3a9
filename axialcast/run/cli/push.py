"""`axialcast push`: a checkpoint to the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

from axialcast.run.cli.arguments import Traceback
from axialcast.run.cli.speaking import plain_errors, say

__all__ = ["push"]


def push(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, or the output of a run.")],
    address: Annotated[str, typer.Argument(metavar="hf://ORG/NAME", help="Where to.")],
    license: Annotated[
        str | None, typer.Option(help="As the hub names it, such as cc-by-4.0, for the card.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="If the repository is made, for you alone.")
    ] = False,
    traceback: Traceback = False,
) -> None:
    """Publish a checkpoint on the Hugging Face hub, with a card made of what is known of it."""
    with plain_errors(traceback):
        from axialcast.publishing import push
        from axialcast.run.stamps import checkpoint_in

        folder = checkpoint_in(checkpoint)
        scores = folder.parent / "scores.csv"
        url = push(
            folder,
            address,
            scores=scores if scores.is_file() else None,
            license=license,
            private=private,
        )
        say(f'published at {url}; others use it by axialcast.load("{address}")')
