"""Secrets of a run: used for every request, found in no file, on no screen and in no error."""

import http.server
import logging
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from typer.testing import CliRunner, Result

from axialcast.data import open_analysis
from axialcast.data.preparing.recipe import Recipe
from axialcast.run.cli import app
from axialcast.run.config import load_config
from axialcast.run.preflight import check_run
from axialcast.run.stamps import analysis_content, training_data

CANARIES = {
    "TOKEN": "hush-of-the-environment",
    "LOGIN": "hush-of-the-address",
    "QUERY": "hush-of-the-query",
    "CLEAR": "hush-of-the-file",
    "OVERRIDE": "hush-of-the-command",
}

CONFIG = """
pipeline: [PIPELINE]
device: cpu
output: out
data:
  store: http://me:hush-of-the-address@ADDRESS/a.zarr?sig=hush-of-the-query
  variables: [geopotential, mean_sea_level_pressure]
  train: ["2001-01-01", "2001-01-20"]
  validate: ["2001-01-21", "2001-01-27"]
  test: ["2001-01-28", "2001-02-09"]
  storage_options:
    headers: {X-Token: "${oc.env:TOKEN}", X-Clear: hush-of-the-file}
    client_options: {default_headers: {X-Cookie: hush-of-the-file}}
model: {dim: 8, depth: 1, heads: 2}
train: {batch_size: 3, schedule: [{steps: 2}], save_every: 1}
forecast: {lead_time_hours: 48, init_every_hours: 72}
verify: {harmonics: 0, baselines: [persistence, linear_inverse_model]}
"""
S3, AZURE = "data.store=s3://b/x", "data.store=az://b/x"
ONLY = "data.storage_options={headers: null, retry_config: {max_retries: 0}"
OVERRIDE = "data.storage_options.headers.X-Given=hush-of-the-command"


@pytest.fixture
def server(tmp_path: Path, analysis: xr.Dataset) -> Iterator[tuple[str, list[Any]]]:
    """Address of a server of a.zarr that wants all secrets, and the requests that it got."""
    analysis.chunk(time=7).to_zarr(tmp_path / "served" / "a.zarr", zarr_format=2)
    asked: list[Any] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path / "served"))

        def log_message(self, *args: Any) -> None:
            """Says nothing."""

        def end_headers(self) -> None:
            self.send_header("ETag", '"1"')
            super().end_headers()

        def do_GET(self) -> None:
            asked.append((self.path, self.headers))
            if self.headers["X-Token"] == "wrong-hush":
                self.send_error(403, "wrong-hush")
            elif "geopotential/0" in self.path and "X-Status" in self.headers:
                self.send_error(int(self.headers["X-Status"]))
            else:
                super().do_GET()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        found.daemon_threads, found.block_on_close = True, False
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{found.server_port}", asked
        found.shutdown()


@pytest.fixture
def here(tmp_path: Path, server: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", CANARIES["TOKEN"])
    text = CONFIG.replace("ADDRESS", server[0])
    options = text.replace(
        "    client_options: {default_headers: {X-Cookie: hush-of-the-file}}\n", ""
    )
    Path("x.yaml").write_text(options.replace("PIPELINE", "train, forecast, verify"))
    Path("prepared.yaml").write_text(options.replace("PIPELINE", "prepare, train"))
    begin, rest = options.split("  store: ")
    store, rest = rest.split("\n", 1)
    own = "{headers: {X-Token: '${oc.env:TOKEN}', X-Clear: hush-of-the-file}}"
    entry = f"{{store: '{store}', variables: [geopotential], storage_options: {own}}}"
    several = f"{begin}  store: [msl.nc, {entry}]\n{rest}"
    Path("several.yaml").write_text(several.replace("PIPELINE", "train, forecast, verify"))
    xr.open_zarr("served/a.zarr")[["mean_sea_level_pressure"]].to_netcdf("msl.nc")
    Path("twice.yaml").write_text(text.replace("PIPELINE", "train"))
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def told(text: str) -> list[str]:
    return [canary for canary in [*CANARIES.values(), "wrong-hush"] if canary in text]


def assert_no_file_tells(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert told(path.read_bytes().decode("latin-1")) == [], path
        assert told(str(path)) == []


@pytest.mark.parametrize("name", ["x.yaml", "prepared.yaml", "several.yaml"])
def test_no_file_and_no_line_of_a_run_tells_a_secret(
    here: Path,
    server: tuple[str, list[Any]],
    name: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    for command in ("check", "run", "run", "status", "inspect"):
        rest = (name, OVERRIDE) if command in ("check", "run") else ("out",)
        result = call(command, *rest)
        assert result.exit_code == 0, result.output
        said.append(result.output)
    assert "skipped" in said[2]
    assert told("".join([*said, *capfd.readouterr(), caplog.text])) == []
    assert_no_file_tells(here / "out")
    for path, headers in server[1]:
        assert path.endswith("?sig=hush-of-the-query")
        assert headers["X-Token"] == CANARIES["TOKEN"]
        assert headers["X-Given"] in (CANARIES["OVERRIDE"], None)
        assert headers["Authorization"].startswith("Basic ")
        assert headers["X-Clear"] == CANARIES["CLEAR"]


def test_of_several_stores_each_has_secrets_of_its_own(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config("several.yaml", ["prepare={}"])
    assert told(repr(config) + repr(config.source_address)) == []
    assert told(repr(Recipe(**config.recipe)) + str(Recipe(**config.recipe).written)) == []
    assert told(str(training_data(config)) + config.source_name) == []
    assert call("run", "several.yaml", "pipeline=train").exit_code == 0
    result = call("run", "out/config.yaml", "output=out")
    assert "AXIALCAST_STORE_1_LOGIN is not set; set it" in result.stderr
    monkeypatch.setenv("AXIALCAST_STORE_1_LOGIN", f"me:{CANARIES['LOGIN']}")
    monkeypatch.setenv("AXIALCAST_STORE_1_QUERY", f"sig={CANARIES['QUERY']}")
    for name in ("STORE_1_STORAGE_OPTIONS", "STORAGE_OPTIONS"):
        monkeypatch.setenv(f"AXIALCAST_{name}_HEADERS_X_CLEAR", CANARIES["CLEAR"])
    result = call("run", "out/config.yaml")
    assert "train: up to date, skipped" in result.stdout, result.output
    monkeypatch.setenv("TOKEN", "another")
    assert "skipped" in call("run", "out/config.yaml").stdout


def test_the_written_config_runs_again_with_the_secrets(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("run", "x.yaml", "pipeline=train").exit_code == 0
    result = call("run", "out/config.yaml", "output=out")
    assert result.exit_code == 2
    assert "AXIALCAST_STORE_LOGIN is not set; set it" in result.stderr
    monkeypatch.setenv("AXIALCAST_STORE_LOGIN", f"me:{CANARIES['LOGIN']}")
    monkeypatch.setenv("AXIALCAST_STORE_QUERY", f"sig={CANARIES['QUERY']}")
    monkeypatch.setenv("AXIALCAST_STORAGE_OPTIONS_HEADERS_X_CLEAR", CANARIES["CLEAR"])
    result = call("run", "out/config.yaml")
    assert result.exit_code == 0, result.output
    assert "train: up to date, skipped" in result.stdout


def test_a_killed_preparation_goes_on_with_the_secrets_of_the_config(here: Path) -> None:
    from axialcast.data.preparing.preparation import Preparation
    from axialcast.data.preparing.recipe import Recipe
    from axialcast.data.preparing.shards import write_shards

    config = load_config("prepared.yaml", [OVERRIDE])
    preparation = Preparation(Recipe(**config.recipe), config.output / "training.zarr")
    assert_no_file_tells(here / "out")
    assert told(repr(Recipe(**config.recipe)).replace(config.source_store, "")) == []
    write_shards(str(preparation.work), preparation.missing()[:1], Recipe(**config.recipe))
    assert_no_file_tells(here / "out")
    result = call("run", "prepared.yaml", OVERRIDE, "pipeline=prepare")
    assert result.exit_code == 0, result.output
    manifest = (here / "out/training.zarr.json").read_text()
    assert told(manifest) == []


def test_runs_that_differ_in_secrets_alone_are_the_same(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("run", "x.yaml").exit_code == 0
    text = Path("x.yaml").read_text()
    for canary in CANARIES.values():
        text = text.replace(canary, "another")
    Path("x.yaml").write_text(text)
    monkeypatch.setenv("TOKEN", "another")
    result = call("run", "x.yaml", "data.storage_options.key=another")
    assert result.stdout.count("up to date, skipped") == 3, result.output
    result = call("run", "x.yaml", "data.store=null", "pipeline=forecast")
    assert result.exit_code == 2


def test_places_count_where_secrets_do_not(here: Path) -> None:
    one = load_config("x.yaml")
    for override in ("data.storage_options.endpoint_url=http://h", "data.store=http://h/b.zarr"):
        other = load_config("x.yaml", [override])
        assert training_data(one) != training_data(other)
    same = load_config("x.yaml", ["data.storage_options.secret=a"])
    assert training_data(one) == training_data(same)
    assert analysis_content(one) is None


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("x.yaml", ["data.storage_options.headers.X-Token=wrong-hush"]),
        (
            "x.yaml",
            ["data.store=http://me:hush-of-the-address@ADDRESS/b.zarr?sig=hush-of-the-query"],
        ),
        (
            "x.yaml",
            ["data.store=http://me:hush-of-the-address@127.0.0.1:1/b?sig=hush-of-the-query"],
        ),
        ("x.yaml", ["data.store=nosuch://me:hush-of-the-address@h/b?sig=hush-of-the-query"]),
        ("x.yaml", ["data.store=https:/me:hush-of-the-file@host/a.zarr"]),
        ("x.yaml", ["data.store=['https://me:hush-of-the-file@host/a.zarr']"]),
        ("x.yaml", ["data.store={'https://host/a.zarr?sig=hush-of-the-file': 1}"]),
        ("x.yaml", ["data.region=https://me:hush-of-the-file@host/a.zarr"]),
        ("x.yaml", ["data.storage_options.secret: hush-of-the-file"]),
        ("x.yaml", ["https://me:hush-of-the-file@host/a.zarr"]),
        ("x.yaml", [S3, f"{ONLY}, endpoint: here, key: a, secret: hush-of-the-file}}"]),
        ("x.yaml", [S3, f"{ONLY}, region: eu, anon: hush-of-the-file}}"]),
        ("x.yaml", [S3, f"{ONLY}, region: eu, bucket_key_enabled: hush-of-the-file}}"]),
        ("x.yaml", ["data.store=gs://b/x", f"{ONLY}, token: hush-of-the-file}}"]),
        ("x.yaml", ["data.store=gs://b/x", f"{ONLY}, service_account_key: hush-of-the-file}}"]),
        ("x.yaml", [AZURE, f"{ONLY}, account_name: a, account_key: hush-of-the-file}}"]),
        ("x.yaml", [AZURE, f"{ONLY}, account_name: a, sas_token: hush-of-the-file}}"]),
        ("x.yaml", ["data.storage_options={client_options: hush-of-the-file}"]),
        ("x.yaml", ["data.storage_options={retry_config: {max_retries: hush-of-the-file}}"]),
        ("x.yaml", ["data.storage_options.headers=hush-of-the-file"]),
        ("x.yaml", ["data.storage_options={secret: hush-of-the-file}"]),
        ("several.yaml", ["data.variables=[nothing]"]),
        ("several.yaml", ["data.train=[1900, 1901]"]),
        ("x.yaml", ["data.store={storage_options: {secret: hush-of-the-file}}"]),
        ("x.yaml", ["data.store=[{store: a, storage_options: hush-of-the-file}]"]),
        ("x.yaml", ["data.store=[[hush-of-the-file]]"]),
        ("x.yaml", ["data.train=[1900, 1901]"]),
        ("x.yaml", ["data.variables=[nothing]"]),
        ("x.yaml", ["verify.harmonics=3"]),
        ("prepared.yaml", ["data.train=[1900, 1901]"]),
        ("prepared.yaml", ["prepare.aggregate_hours=36"]),
        ("twice.yaml", []),
    ],
)
def test_no_error_tells_a_secret(
    here: Path,
    server: tuple[str, list[Any]],
    name: str,
    overrides: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    overrides = [text.replace("ADDRESS", server[0]) for text in overrides]
    result = call("check", name, *overrides)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("axialcast: error: ")
    assert "hush" not in result.output
    assert told(caplog.text) == []
    try:
        check_run(load_config(name, overrides))
    except (ValueError, OSError):
        assert "hush" not in traceback.format_exc()


def test_an_error_while_reading_tells_no_signature(
    here: Path, server: tuple[str, list[Any]], analysis: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in its line nor in its traceback, whichever library reads the address."""
    monkeypatch.setattr("axialcast.data.arrays.fetching.PAUSE_SECONDS", 0.0)
    opened = load_config("x.yaml")
    dataset = open_analysis(opened.source_store, **opened.opening)
    for file in (here / "served" / "a.zarr" / "geopotential").glob("[0-9]*"):
        file.write_bytes(b"torn")
    with pytest.raises((ValueError, OSError)) as error:
        dataset.load()
    assert "geopotential" in str(error.value)
    assert "hush" not in "".join(traceback.format_exception(error.value))
    for status in (403, 404, 503):
        options = {"headers": {"X-Status": str(status)}}
        with pytest.raises((ValueError, OSError)) as error:
            open_analysis(opened.source_store, storage_options=options, timeout_seconds=0.2).load()
        assert "hush" not in "".join(traceback.format_exception(error.value))
