"""An output of one's own: made once, skipped, and made again when it is damaged: copy this."""

from pathlib import Path

import pytest

from axialcast.run.config import load_config
from axialcast.run.stages import run_stages

OUTPUT = r'''"""A table of the config's years."""
from axialcast.files.atomic import writing
READS = ("data.test",)  # keys that decide it
NEEDS = ()              # outputs of earlier stages that it is made of
OUTPUTS = ("years.csv",)
def run(config):
    with writing(config.output / "years.csv") as file:
        file.write_text("first,last\n" + ",".join(config.data.test) + "\n")
'''
CONFIG = """
pipeline: ./years.py
data: {variables: [a], train: ["2001", "2001"], validate: ["2002", "2002"], test: ["2003", "2004"]}
"""


def test_an_output_is_made_skipped_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("years.py").write_text(OUTPUT)
    Path("x.yaml").write_text(CONFIG)
    table = Path("runs/x/years.csv")

    def said(*keys: str) -> str:
        lines: list[str] = []
        run_stages(load_config("x.yaml", keys), before=lambda: None, say=lines.append)
        return " ".join(lines)

    assert "runs" in said()
    assert table.read_text() == "first,last\n2003,2004\n"
    assert "up to date" in said()
    table.write_text("something else")
    said()
    assert table.read_text() == "first,last\n2003,2004\n"
    said("data.test=['2003', '2003']")
    assert table.read_text() == "first,last\n2003,2003\n"
