"""`axialcast ls`: what is shipped."""

import typer

from axialcast.run import shipped

__all__ = ["ls"]


def ls() -> None:
    """List the shipped pipelines, configs, examples and batch scripts."""
    kinds = {
        "pipelines": shipped.pipelines(),
        "configs": shipped.configs(),
        "examples, to begin your own with": shipped.examples(),
        "batch scripts": {path.name: path for path in shipped.scripts().values()},
    }
    for title, files in kinds.items():
        typer.echo(f"{title}:")
        for name, path in files.items():
            typer.echo(f"  {name:<20} {shipped.first_line(path)}".rstrip())
