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
LIBRARY = {"names", "grid", "device", "nn", "model", "data", "training", "forecast", "verify"}

# What the modules of a room may import from axialcast. A room that is missing here fails.
MAY_IMPORT: dict[str, set[str]] = {
    "names": set(),
    "grid": set(),
    "shipped": set(),
    "device": set(),
    "progress": {"atomic"},
    "atomic": set(),
    "inventory": {"atomic"},
    "clearing": {"atomic", "inventory"},
    "holding": {"atomic"},
    "config_errors": set(),
    "periods": set(),
    "sections": {"periods"},
    "config": {"names", "atomic", "shipped", "periods", "sections", "config_errors"},
    "stopping": set(),
    "tensors": {"atomic"},
    "stage": {"config", "atomic", "clearing", "inventory"},
    "stamps": {"config", "stage", "atomic", "inventory"},
    "stages": {
        *("config", "shipped", "stage", "stamps", "atomic", "inventory", "holding", "progress"),
    },
    "nn": {"nn"},
    "model": {"nn", "grid", "model"},
    "data": {"names", "grid", "atomic", "clearing", "inventory", "data"},
    "training": {
        *("atomic", "inventory", "stopping", "tensors", "device", "data", "model", "training"),
    },
    "forecast": {
        *("names", "grid", "device", "atomic", "inventory", "holding", "tensors"),
        *("data", "model", "forecast"),
    },
    "verify": {"names", "grid", "atomic", "inventory", "verify"},
    "inspection": {"names", "forecast", "atomic", "inventory", "stamps"},
    "status": {"holding", "progress", "stamps"},
    "preflight": LIBRARY | {"atomic", "config", "periods"},
    "cli": {"shipped", "stopping"},  # at the top; anything inside a command
    "__main__": {"cli"},
    "__init__": set(),  # at the top; its names are imported when used
}

# Third-party libraries that a room must not touch.
MUST_NOT_IMPORT = {
    "nn": {"xarray", "numpy", "pydantic", "pandas", "matplotlib"},
    "model": {"xarray", "pydantic"},
    "verify": {"torch"},
    "grid": {"torch", "xarray"},
}

# Import name → distribution name where they differ.
DISTRIBUTIONS = {"yaml": "PyYAML", "google_crc32c": "google-crc32c"}


def sources(folder: str = "axialcast") -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(ROOT / "axialcast").parts[0].removesuffix(".py")


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
    found = set(imports(path, only_top=where in ("cli", "__init__")))
    rooms = {name.split(".")[1] for name in found if name.startswith("axialcast.")}
    assert rooms <= MAY_IMPORT[where], f"{path}: imports {rooms - MAY_IMPORT[where]}"
    others = {name.split(".")[0] for name in found}
    assert not others & MUST_NOT_IMPORT.get(where, set())


@pytest.mark.parametrize("path", sources("pipelines"), ids=lambda p: p.name)
def test_pipelines_stand_alone(path: Path) -> None:
    found = set(imports(path))
    names = {other.stem for other in sources("pipelines")}
    assert not any(name.split(".")[0] in names | {"pipelines"} for name in found)
    assert not any(name.startswith("axialcast.cli") for name in found)


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
        ("axialcast.cli", ["torch", "numpy", "xarray", "pydantic", "omegaconf", "rich"]),
        ("axialcast.verify", ["torch", "pydantic", "omegaconf", "matplotlib"]),
    ],
)
def test_an_import_costs_no_more_than_it_needs(module: str, absent: list[str]) -> None:
    program = f"import sys, {module}; print(*[n for n in {absent!r} if n in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []
