"""The `axialcast` command: one file for each thing it does.

Only light modules are imported at the top, so that help appears at once: a command imports what it
needs when it runs.
"""

import sys
from typing import Annotated

import typer

from axialcast import parallel
from axialcast.run.cli import (
    check,
    compare,
    cp,
    export,
    inspect,
    ls,
    plot,
    push,
    run,
    status,
    submit,
    tune,
)

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would double the time to show help
)


def _show_version(wanted: bool) -> None:
    if wanted:
        import axialcast

        typer.echo(f"axialcast {axialcast.__version__}")
        raise typer.Exit


@app.callback()
def axialcast(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Weather forecasting with axial attention, driven by one YAML file."""


app.command()(run.run)
app.command()(submit.submit)
app.command()(ls.ls)
app.command()(cp.cp)
app.command()(check.check)
app.command()(tune.tune)
app.command()(inspect.inspect)
app.command()(status.status)
app.command()(plot.plot)
app.command()(compare.compare)
app.command()(export.export)
app.command()(push.push)


def main() -> None:
    """Entry point of the `axialcast` command."""
    try:
        app()
    except SystemExit as end:
        parallel.leave(end.code if isinstance(end.code, int) else 0)
        raise
    except BaseException:
        if parallel.was_joined():
            sys.excepthook(*sys.exc_info())
            parallel.leave(1)
        raise
