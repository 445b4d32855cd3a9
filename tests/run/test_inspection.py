"""`inspect` and `status` of what is damaged or something else: one line, with its name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr
from typer.testing import CliRunner

from axialcast.run.cli import app
from axialcast.run.inspection import describe
from axialcast.run.status import status

STORED = Path(__file__).parents[1] / "forecast" / "stored" / "0.1.0"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(path: str) -> str:
    result = CliRunner().invoke(app, ["inspect", path])
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    [line] = result.stderr.splitlines()
    return line.removeprefix("axialcast: error: ")


@pytest.mark.parametrize(
    "content", [b"", b"pipeline: [train]\n", b"GRIB", b"\x89HDF\r\n\x1a\n", b"CDF\x01"]
)
def test_a_file_of_another_kind(here: Path, content: bytes, plain: Callable[[str], bool]) -> None:
    Path("x.any").write_bytes(content)
    line = refused("x.any")
    assert line.startswith(
        "x.any: neither a checkpoint, a Zarr store nor a NetCDF file that can be"
    )
    assert plain(line)


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[1]", "{}", '{"zarr_format": 3}', '{"zarr_format": 3, "node_type": "group"}'),
        '{"zarr_format": 9, "node_type": "group"}',
        '{"zarr_format": 3, "node_type": "group", "attributes": 5}',
        '{"zarr_format": 3, "node_type": "array"}',
    ],
)
def test_a_store_without_its_metadata(here: Path, content: str) -> None:
    Path("x.zarr").mkdir()
    Path("x.zarr/zarr.json").write_text(content)
    assert refused("x.zarr").startswith("x.zarr: ")


def test_a_chunk_that_is_no_chunk(here: Path, analysis: xr.Dataset) -> None:
    analysis.to_zarr("x.zarr", consolidated=False, zarr_format=3)
    assert any("time: 2001-01-01T00" in line for line in describe("x.zarr"))
    [chunk] = (p for p in Path("x.zarr/latitude/c").rglob("*") if p.is_file())
    chunk.write_bytes(b"garbage")
    assert refused("x.zarr").startswith("x.zarr: ")


def test_folders_and_places_that_hold_nothing(here: Path) -> None:
    assert refused(".").startswith(".: neither a checkpoint, a Zarr store nor")
    assert "https:/host/x.zarr: inspect reads files of this machine" in refused(
        "https://host/x.zarr"
    )
    Path("run").mkdir()
    Path("run/config.yaml").write_text("pipeline: [train]\n")
    assert refused("run") == "run: a run without a checkpoint so far; see axialcast status run"


@pytest.mark.parametrize(
    "scores",
    [
        *(b"", b"garbage", b"a,b\n1,2\n", b"\x00\x01", b"\xff\xfe\x00", b'"'),
        b"model,variable,level,lead_time_hours,metric,region,value\nx,y,z,w,rmse,all,v\n",
        b"model,variable,level,lead_time_hours,metric,region,value\nme,y,1,24,rmse,all,3\n",
        b"model,variable,level,lead_time_hours,metric,region,value\n"
        + 2 * b"forecast,y,1,24,rmse,all,3\n",
    ],
)
def test_scores_that_are_none(here: Path, scores: bytes) -> None:
    shutil.copytree(STORED / "checkpoint", here / "checkpoint")
    assert describe(here)[-1] == "skill: not verified yet"
    Path("scores.csv").write_bytes(scores)
    line = refused(str(here))
    assert line.startswith(f"{here}/scores.csv: not a table of scores (")
    assert line.endswith("); remove it and run the pipeline verify")


def test_scores_of_seasons_are_not_those_of_the_run(here: Path) -> None:
    shutil.copytree(STORED / "checkpoint", here / "checkpoint")
    Path("scores.csv").write_text(
        "model,variable,level,lead_time_hours,metric,region,value,num_pairs,masked,cases\n"
        "forecast,y,1,24,rmse,all,3,9,0,all\nforecast,y,1,24,rmse,all,5,4,0,DJF\n"
        "persistence,y,1,24,rmse,all,4,9,0,all\npersistence,y,1,24,rmse,all,6,4,0,DJF\n"
    )
    assert describe(here)[-1].endswith("RMSE of y 1 hPa: 24 h 3 (persistence 4)")


@pytest.mark.parametrize(
    ("config", "stages"),
    [
        (b"pipeline: train\n", ["train"]),
        (b"pipeline: [1, 2]\n", []),
        (b"[1]", []),
        (b"\xff[", []),
        (b"a: [", []),
        (b"", []),
    ],
)
def test_status_of_a_run_whose_config_is_damaged(
    here: Path, config: bytes, stages: list[str]
) -> None:
    Path("config.yaml").write_bytes(config)
    Path(".stages").mkdir()
    Path(".stages/verify.json").write_text("garbage")
    names = {line.partition(":")[0] for line in status(".")[1:]}
    assert names == {"verify", *stages}


@pytest.mark.parametrize(
    "record",
    [
        *("", "[1]", "{}", "garbage"),
        json.dumps({"done": "x", "total": 1, "unit": "steps", "per_second": 1}),
        json.dumps({"done": 1, "total": [], "unit": 5, "per_second": {"a": 1}}),
        json.dumps({"done": 1e400, "total": None, "unit": "steps", "per_second": None}),
    ],
)
def test_status_of_a_record_that_is_none(here: Path, record: str) -> None:
    Path("config.yaml").write_text("pipeline: [train]\n")
    Path("states/0x").mkdir(parents=True)
    Path(".stages").mkdir()
    Path(".stages/train.progress.json").write_text(record)
    assert status(".") == [".: no run is at work", "train: not run yet"]


def test_status_of_what_is_no_run(here: Path) -> None:
    Path("x.txt").write_text("x")
    for path in ("x.txt", "nowhere", "."):
        with pytest.raises(
            FileNotFoundError, match="no run was started there; give the output fol"
        ):
            status(path)
