"""`axialcast compare`: several runs on the pairs that they share."""

from pathlib import Path
from typing import Annotated

import typer

from axialcast.run.cli.arguments import Traceback
from axialcast.run.cli.speaking import plain_errors, say

__all__ = ["compare"]


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(help="Output folders of runs; others are compared with the first."),
    ],
    to: Annotated[
        Path, typer.Option("--to", help="Folder for compare.html and compare.csv.")
    ] = Path(),
    traceback: Traceback = False,
) -> None:
    """Compare the scores of several runs on the same forecasts: a table, a page and a CSV."""
    with plain_errors(traceback):
        from axialcast.files.atomic import write_text
        from axialcast.report.comparison import comparison_html, comparison_lines
        from axialcast.run.comparison import open_runs
        from axialcast.scores.comparing import compared
        from axialcast.scores.comparison_table import comparison_table

        found, left_out = compared(open_runs(runs))
        for line in [*left_out, *comparison_lines(found)]:
            say(line)
        to.mkdir(parents=True, exist_ok=True)
        table = comparison_table(found)
        write_text(to / "compare.csv", table.to_csv(index=False, float_format="%.7g"))
        write_text(to / "compare.html", comparison_html(found, left_out))
        say(f"done: {to / 'compare.html'} and {to / 'compare.csv'}")
