"""`axialcast check`: what a run would meet, and what it will cost."""

from typing import Annotated

import typer

from axialcast.run.cli.arguments import ConfigArgument, Overrides, Traceback, load, require_writable
from axialcast.run.cli.speaking import plain_errors, say

__all__ = ["check"]


def check(
    config: ConfigArgument,
    overrides: Overrides = None,
    memory: Annotated[
        str | None,
        typer.Option(help="Memory of a device, e.g. 80GB: which batch would fit; else the GPU's."),
    ] = None,
    bandwidth: Annotated[
        str, typer.Option(help="Bytes a second from one process to another, e.g. 25GB.")
    ] = "10GB",
    timed: Annotated[
        bool, typer.Option("--timed", help="Time a few training steps on this machine.")
    ] = False,
    traceback: Traceback = False,
) -> None:
    """Check a config, its paths and its data before anything runs; say what the run will cost."""
    with plain_errors(traceback):
        path, settings = load(config, overrides)
        require_writable(settings.output)
        from axialcast.run.facts import facts
        from axialcast.run.preflight import check_run
        from axialcast.run.urls import require_reachable

        require_reachable(settings)

        preflight = check_run(settings, folder=path.parent, scan=True)
        for line in [*facts(preflight), *preflight.costs()] if preflight else []:
            say(line)
        if preflight:
            from axialcast.run.fit import fit

            for line in fit(preflight, memory, bandwidth, timed=timed):
                say(line)
            preflight.refuse_small_memory()
            preflight.refuse_full_disk()
        typer.echo("all checks passed")
