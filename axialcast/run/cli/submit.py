"""`axialcast submit`: the pipelines of a config as batch jobs."""

from typing import Annotated

import typer

from axialcast.run.cli.arguments import ConfigArgument, Overrides, Traceback, load, require_writable
from axialcast.run.cli.speaking import plain_errors, say

__all__ = ["submit"]


def submit(
    config: ConfigArgument,
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the batch scripts and submit nothing.")
    ] = False,
    traceback: Traceback = False,
) -> None:
    """Submit the pipelines of a config to Slurm or PBS, one job a stage; `cluster:` says how."""
    with plain_errors(traceback):
        path, settings = load(config, overrides)
        from axialcast.run import submission

        if dry_run:
            for text in submission.dry_run(settings, path.parent):
                typer.echo(text)
            return

        def before() -> None:
            from axialcast.run.preflight import check_run

            # Of this machine, neither the device nor the memory says anything of a node's.
            elsewhere = settings.model_copy(update={"device": "cpu"})
            preflight = check_run(elsewhere, folder=path.parent, scan=True)
            if preflight:
                preflight.refuse_full_disk()

        require_writable(settings.output)
        submission.submit(settings, folder=path.parent, before=before, say=say)
