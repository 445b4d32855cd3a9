"""Runs notebooks and keeps their outputs, with what tells whether these are fresh.

    python notebooks/keep.py                      # all of them
    AXIALCAST_RUN=runs/quickstart python notebooks/keep.py explore_forecast

A notebook's metadata hold the digest of its cells' source: `stale` says what has changed since.
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["digest", "execute", "stale"]

HERE = Path(__file__).parent
MOST_BYTES = 1_000_000
"""Of a notebook with its outputs."""


def digest(notebook: Any) -> str:
    """Of the source of all cells, in order."""
    sources = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()[:16]


def stale(path: Path) -> str | None:
    """What is wrong with the outputs that a notebook keeps; None: they are fresh."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    again = f"run `python notebooks/keep.py {path.stem}`"
    if notebook["metadata"].get("axialcast", {}).get("source") != digest(notebook):
        return f"{path.name}: its cells changed since they were run; {again}"
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    counts = [cell["execution_count"] for cell in code]
    if counts != list(range(1, len(code) + 1)):
        return f"{path.name}: cells were run as {counts}, not from top to bottom; {again}"
    if not any(cell["outputs"] for cell in code):
        return f"{path.name}: keeps no outputs; {again}"
    outputs = [output for cell in code for output in cell["outputs"]]
    if any(output["output_type"] == "error" for output in outputs):
        return f"{path.name}: keeps an error; {again}"
    if any(_is_words_of_a_figure(output.get("data", {})) for output in outputs):
        return f"{path.name}: keeps words in place of a figure; {again}"
    if any(output.get("name") == "stderr" for output in outputs):
        return f"{path.name}: keeps warnings; {again}"
    if path.stat().st_size > MOST_BYTES:
        return f"{path.name}: {path.stat().st_size:,} bytes; draw less, of {MOST_BYTES:,} at most"
    return None


def _is_words_of_a_figure(data: Any) -> bool:
    return "".join(data.get("text/plain", "")).startswith("<Figure") and "image/png" not in data


def execute(path: Path, *, timeout: float = 600) -> Any:
    """The notebook, run from top to bottom in its own folder, with its digest."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=place).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which differ each time
    notebook.metadata["axialcast"] = {"source": digest(notebook)}
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def main() -> None:
    import nbformat

    if "AXIALCAST_RUN" in os.environ:  # from here, as cells run in their own folder
        os.environ["AXIALCAST_RUN"] = str(Path(os.environ["AXIALCAST_RUN"]).absolute())
    names = sys.argv[1:] or [path.stem for path in sorted(HERE.glob("*.ipynb"))]
    for name in names:
        path = HERE / f"{name}.ipynb"
        nbformat.write(execute(path), path)
        print(stale(path) or f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
