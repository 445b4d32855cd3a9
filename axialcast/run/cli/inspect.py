"""`axialcast inspect`: what a checkpoint or a store holds."""

from typing import Annotated

import typer

from axialcast.disclosure import shown
from axialcast.run.cli.arguments import Options, Traceback
from axialcast.run.cli.speaking import plain_errors, say

__all__ = ["inspect"]


def inspect(
    path: Annotated[
        str, typer.Argument(help="Checkpoint, forecast or analysis, or a run; of a URL, a copy.")
    ],
    options: Options = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Compare every byte with its checksum; status 1 if damaged."),
    ] = False,
    traceback: Traceback = False,
) -> None:
    """Say what a checkpoint or a store holds, or whether it is whole."""
    with plain_errors(traceback):
        from axialcast.run import inspection
        from axialcast.run.urls import seen

        with seen(path, options or [], whole=True) as here:
            name = shown(path)

            def say_of(line: str) -> None:
                say(line.replace(str(here), name))

            if not verify:
                for line in inspection.describe(here):
                    say_of(line)
                return
            broken, what = inspection.verify(here)
            for part in broken:
                say_of(str(part))
        if broken:
            say(
                f"{name}: {len(broken)} damaged or missing among {what}; "
                "axialcast run --verify makes them again"
            )
            raise typer.Exit(1)
        say(f"{name}: whole, {what}")
