"""The notebooks run from top to bottom, and what they keep is what they say."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SLOW = {"inside_axial_attention", "sample_fields", "your_own_network", "your_own_data"}
"""Those that train."""
spec = importlib.util.spec_from_file_location("keep", FOLDER / "keep.py")
keep = importlib.util.module_from_spec(spec)
spec.loader.exec_module(keep)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] if path.stem in SLOW else [])
        for path in NOTEBOOKS
    ],
    ids=lambda path: path.stem,
)
@pytest.mark.filterwarnings("ignore")  # of Jupyter's own making: sockets and event loops
def test_notebook_runs(path, smallest_run, monkeypatch, tmp_path):
    monkeypatch.setenv("AXIALCAST_RUN", str(smallest_run))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    keep.execute(Path(shutil.copy(path, tmp_path)))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_those_of_the_cells(path):
    assert keep.stale(path) is None


def test_a_stale_notebook_is_told(tmp_path):
    path = tmp_path / "one.ipynb"
    cell = {"cell_type": "code", "source": ["1 + 1"], "execution_count": 1, "metadata": {}}
    result = {"output_type": "execute_result", "data": {"text/plain": ["2"]}, "metadata": {}}
    book = {"cells": [cell | {"outputs": [result]}], "metadata": {}}
    book["metadata"]["axialcast"] = {"source": keep.digest(book)}

    def said(change):
        changed = json.loads(json.dumps(book))
        change(changed)
        path.write_text(json.dumps(changed))
        return keep.stale(path)

    assert said(lambda _: None) is None
    assert "changed since" in said(lambda b: b["cells"][0].update(source=["1 + 2"]))
    assert "top to bottom" in said(lambda b: b["cells"][0].update(execution_count=4))
    assert "no outputs" in said(lambda b: b["cells"][0].update(outputs=[]))
    figure = {"output_type": "execute_result", "data": {"text/plain": ["<Figure size 432x290>"]}}
    assert "in place of a figure" in said(lambda b: b["cells"][0].update(outputs=[figure]))
    error = {"output_type": "error"}
    assert "an error" in said(lambda b: b["cells"][0].update(outputs=[error]))
