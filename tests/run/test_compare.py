"""`axialcast compare`, as it is called."""

import typer.testing

from axialcast.run.cli import app


def told(*arguments):
    return typer.testing.CliRunner().invoke(app, ["compare", *arguments])


def test_runs_that_cannot_be_compared(tmp_path):
    (tmp_path / "a").mkdir()
    for runs, said in (
        (["a", "a"], "named twice"),
        (["a", "b"], "has no scores of each initial time, scores_by_init.nc; run its pipeline"),
        (["b", "a"], "b: no such run, scores_by_init.nc; run its pipeline"),
    ):
        found = told(*(str(tmp_path / run) for run in runs))
        assert found.exit_code == 2
        assert said in found.output.replace("\n", " ")
