"""`axialcast run`: the pipelines of a config, in order."""

import time
from typing import Annotated

import typer

from axialcast import parallel, stopping
from axialcast.run.cli.arguments import ConfigArgument, Overrides, Traceback, load, require_writable
from axialcast.run.cli.speaking import plain_errors, say

__all__ = ["run"]


def run(
    config: ConfigArgument,
    overrides: Overrides = None,
    force: Annotated[
        bool, typer.Option("--force", help="Start every stage over, also what would go on.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every byte of the outputs before skipping.")
    ] = False,
    part: Annotated[
        str | None,
        typer.Option(metavar="N/M", help="Make the n-th of m parts, beside those who make others."),
    ] = None,
    traceback: Traceback = False,
) -> None:
    """Run the pipelines of a config in order; what is up to date is skipped, the rest goes on."""
    with plain_errors(traceback), stopping.raised(), parallel.joined() as me:
        start = time.monotonic()
        path, settings = load(config, overrides)
        from axialcast.run.stages import follow_stages, run_part, run_stages
        from axialcast.run.urls import mirrored, refuse_url

        if part is not None:
            refuse_url(settings, "parts are made beside one another")
            run_part(settings, part, folder=path.parent, say=say)
            return

        def before() -> None:
            from axialcast.run.preflight import check_run

            preflight = check_run(settings, folder=path.parent)
            if preflight:
                preflight.refuse_small_memory()

        if me.is_leader:
            require_writable(settings.output)
        with mirrored(settings):
            if not me.is_leader:
                follow_stages(settings, folder=path.parent)
                return
            run_stages(
                settings,
                folder=path.parent,
                force=force,
                verify=verify,
                before=before,
                say=say,
            )
        say(f"done in {time.monotonic() - start:.0f} s: {settings.address}")
