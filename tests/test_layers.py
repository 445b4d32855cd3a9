"""The layers of DESIGN: who may import whom, and what an import costs."""

import ast
import itertools
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# What the modules of a room may import from axialcast, besides their own room. A folder within a
# folder is a room of its own; a name without one stands for its own files. A room that is missing
# here fails.
MAY_IMPORT: dict[str, set[str]] = {
    "names": set(),
    "disclosure": set(),
    "conventions": {"names"},
    "grid": {"names"},
    "frame": {"grid"},
    "cores": set(),
    "heartbeats": set(),
    "meeting": set(),
    "parallel": {"heartbeats", "meeting"},
    "device": {"parallel"},
    "stopping": set(),
    "thresholds": set(),
    "own": set(),
    "hub": set(),
    "times": {"names"},
    "files": set(),
    "nn": {"nn.papers"},  # what `axialcast.nn` exports
    "nn.papers": {"nn"},
    "model": {"nn", "grid", "frame", "times", "own"},
    "data": {"names", "cores", "grid", "times", "data.arrays"},
    "data.arrays": {"names", "disclosure"},
    "data.opening": {
        *("names", "disclosure", "grid", "times", "data.arrays"),
        *("data.opening.kinds", "data.opening.standard"),
    },
    "data.opening.kinds": {
        "conventions",
        "names",
        "disclosure",
        "grid",
        "times",
        "data",
        "data.arrays",
    },
    "data.opening.standard": {"names", "disclosure", "grid", "times", "data", "data.arrays"},
    "data.windows": {"names", "cores", "grid", "times", "data", "data.arrays"},
    "data.preparing": {
        *("names", "disclosure", "grid", "times", "files", "data", "data.arrays", "data.opening"),
        "data.opening.kinds",
    },
    "planet": {"conventions", "names", "grid", "times", "files"},
    "training": {
        *("device", "parallel", "files", "stopping", "data", "data.windows", "nn", "model"),
    },
    "forecast": {
        *(
            "conventions",
            "names",
            "own",
            "hub",
            "disclosure",
            "grid",
            "device",
            "parallel",
            "times",
            "files",
        ),
        *("data", "data.arrays", "data.opening", "data.opening.kinds", "model"),
    },
    "transfer": {"names", "grid", "times", "data", "model", "forecast"},
    "exporting": {"names", "times", "files", "data", "model", "forecast"},
    "publishing": {"names", "hub", "disclosure", "files", "times", "data", "forecast"},
    "adapters": {"names", "grid", "times", "data", "model", "forecast", "exporting"},
    "baselines": {"own", "names", "cores", "grid", "times", "files", "data"},
    "scores": {
        *("conventions", "own", "names", "thresholds"),
        "cores",
        "grid",
        "times",
        "files",
        "data",
        "data.arrays",
        "data.opening.standard",
        "baselines",
    },
    "report": {"names", "disclosure", "grid", "times", "data", "baselines", "scores"},
    "accessor": {"report"},
    "verify": {"baselines", "scores"},
    "run": {
        *(
            "conventions",
            "names",
            "disclosure",
            "grid",
            "frame",
            "cores",
            "device",
            "stopping",
            "times",
            "files",
        ),
        *("model", "own", "hub", "parallel", "planet", "thresholds", "transfer"),
        *("data", "data.opening.kinds", "data.windows", "data.preparing", "forecast", "baselines"),
        *("scores", "training"),
    },
    # At the top; a command imports what it needs when it runs.
    "run.cli": {"disclosure", "parallel", "stopping", "run"},
    "__main__": {"run.cli"},
    "__init__": set(),  # at the top; its names are imported when used
}

# Third-party libraries that a room must not touch.
MUST_NOT_IMPORT = {
    "nn": {"xarray", "numpy", "pydantic", "pandas", "matplotlib"},
    "nn.papers": {"xarray", "numpy", "pydantic", "pandas", "matplotlib"},
    "model": {"xarray", "pydantic"},
    "data.arrays": {"torch"},
    "data.opening": {"torch"},
    "data.opening.kinds": {"torch"},
    "data.opening.standard": {"torch"},
    "baselines": {"torch", "matplotlib"},
    "scores": {"torch", "matplotlib"},
    "report": {"torch"},
    "grid": {"torch", "xarray"},
    "frame": {"torch", "xarray"},
}

# Import name → distribution name where they differ.
DISTRIBUTIONS = {
    "mlflow": "mlflow-skinny",
    "cv2": "opencv-python-headless",
    "yaml": "PyYAML",
    "google_crc32c": "google-crc32c",
    "dask_jobqueue": "dask-jobqueue",
}


def sources(folder: str = "axialcast") -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


ROOMS = sorted(MAY_IMPORT, key=len, reverse=True)


def room(path: Path) -> str:
    """The room of a file of axialcast."""
    parts = path.relative_to(ROOT / "axialcast").with_suffix("").parts
    return ".".join(parts[:-1] or parts)


def room_of(name: str) -> str:
    """The room that a dotted name, as `axialcast.data.opening.store`, is in."""
    inside = name.removeprefix("axialcast.")
    return next((r for r in ROOMS if f"{inside}.".startswith(f"{r}.")), inside)


def imports(path: Path, *, only_top: bool = False) -> Iterator[str]:
    """Dotted names imported, as `axialcast.grid` or `numpy.typing`; not those for types alone."""
    tree = ast.parse(path.read_text("utf-8"))
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "axialcast":
                yield from (f"axialcast.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""
        elif not (only_top and isinstance(node, ast.FunctionDef | ast.ClassDef)):
            pending += ast.iter_child_nodes(node)


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    where = room(path)
    assert where in MAY_IMPORT, f"{where} is new: say in MAY_IMPORT what it may import"
    # What these import when they are used, they only pass on.
    passes_on = where == "__init__" or where == "run.cli" or path.parent.name == "data"
    found = set(imports(path, only_top=passes_on))
    rooms = {room_of(name) for name in found if name.startswith("axialcast.")}
    assert rooms <= MAY_IMPORT[where] | {where}, f"{path}: imports {rooms - MAY_IMPORT[where]}"
    others = {name.split(".")[0] for name in found}
    assert not others & MUST_NOT_IMPORT.get(where, set())


def test_no_two_rooms_import_each_other() -> None:
    # `nn` exports what is in its inner room, and does not use it.
    exported = {("nn", "nn.papers")}
    mutual = [(a, b) for a in MAY_IMPORT for b in MAY_IMPORT[a] if a in MAY_IMPORT.get(b, set())]
    assert {tuple(sorted(pair)) for pair in mutual} <= exported


@pytest.mark.parametrize("path", sources("pipelines"), ids=lambda p: p.name)
def test_pipelines_stand_alone(path: Path) -> None:
    found = set(imports(path))
    names = {other.stem for other in sources("pipelines")}
    assert not any(name.split(".")[0] in names | {"pipelines"} for name in found)
    assert not any(name.startswith("axialcast.run.cli") for name in found)


def test_every_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *itertools.chain.from_iterable(extras)]
    declared = {r.split(">")[0].split("=")[0].split("[")[0].strip() for r in requirements}
    used = {
        name.split(".")[0]
        for path in [*sources(), *sources("pipelines")]
        for name in imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names | {"axialcast"}
    }
    missing = {DISTRIBUTIONS.get(name, name) for name in used} - declared
    assert not missing, f"imported, but not among the dependencies of pyproject.toml: {missing}"


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("axialcast", ["torch", "numpy", "xarray", "pydantic", "matplotlib"]),
        ("axialcast.nn", ["xarray", "pandas", "pydantic", "matplotlib", "omegaconf", "zarr"]),
        ("axialcast.run.cli", ["torch", "numpy", "xarray", "pydantic", "omegaconf", "rich"]),
        ("axialcast.verify", ["torch", "pydantic", "omegaconf", "matplotlib"]),
    ],
)
def test_an_import_costs_no_more_than_it_needs(module: str, absent: list[str]) -> None:
    program = f"import sys, {module}; print(*[n for n in {absent!r} if n in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []
