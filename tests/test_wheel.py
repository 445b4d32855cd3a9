"""The wheel carries what is shipped beside the package, and runs the whole line from any folder."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

BUILD = """
import sys
from hatchling.builders.wheel import WheelBuilder
print(*WheelBuilder(sys.argv[1]).build(directory=sys.argv[2], versions=["standard"]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network: hatchling is called where the tests run."""
    folder = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(ROOT), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(built.stdout.strip())


def files(folder: str, pattern: str) -> set[str]:
    return {path.name for path in (ROOT / folder).glob(pattern)}


def test_the_wheel_holds_the_package_and_what_is_shipped(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {str(p.relative_to(ROOT)) for p in (ROOT / "axialcast").rglob("*.py")}
    assert package <= names
    assert "axialcast/py.typed" in names
    assert {f"axialcast/_pipelines/{name}" for name in files("pipelines", "*.py")} <= names
    assert {f"axialcast/_configs/{name}" for name in files("configs", "*.yaml")} <= names
    assert {f"axialcast/_scripts/{name}" for name in files("scripts", "*.sh")} <= names
    assert {f"axialcast/_examples/{name}" for name in files("examples", "*.py")} <= names
    strange = {n for n in names if not n.startswith(("axialcast/", "axialcast-"))}
    assert not strange


def test_the_installed_wheel_runs_the_smallest_config(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    [packages] = environment.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # The libraries come from where the tests run; axialcast itself from the wheel alone. Its
    # editable install is a .pth file, which a path in a .pth file does not bring along.
    libraries = [p for p in sys.path if p.endswith("site-packages")]
    (packages / "libraries.pth").write_text("\n".join(libraries))
    program = "import sys; from axialcast.run.cli import main; sys.argv[0] = 'axialcast'; main()"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def call(*command: str) -> str:
        result = subprocess.run(
            [environment / "bin" / "python", *command],
            cwd=elsewhere,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    where = call("-c", "import axialcast; print(axialcast.__file__)")
    assert Path(where.strip()).is_relative_to(environment)
    assert "smallest" in call("-c", program, "ls")
    call("-c", program, "run", "configs/smallest.yaml", "device=cpu")
    made = {path.name for path in (elsewhere / "runs" / "smallest").iterdir()}
    assert made >= {
        "analysis.zarr", "checkpoint", "config.yaml", "forecast.zarr",
        "log.jsonl", "report.html", "scores.csv", "scores.nc",
    }  # fmt: skip
    header = (elsewhere / "runs" / "smallest" / "scores.csv").read_text().splitlines()[0]
    columns = "model,variable,level,lead_time_hours,metric,region,value,num_pairs,masked"
    assert header == f"{columns},lower,upper"
