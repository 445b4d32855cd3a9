"""Outputs behind URLs, on a server of S3 that runs here."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
from typer.testing import CliRunner, Result

from axialcast.data import Channels, Statistics
from axialcast.data.channels import Channel
from axialcast.data.opening.kinds.remote import failing, writable
from axialcast.files import leasing
from axialcast.files.mirroring import Mirror
from axialcast.forecast import Checkpoint, save_checkpoint
from axialcast.grid import LatLonGrid
from axialcast.run import preflight, urls
from axialcast.run.cli import app
from axialcast.run.config import ConfigError, load_config, save_config
from axialcast.run.parent import Parent
from axialcast.run.urls import at_url

PIPELINE = """
import time
from axialcast.files import inventory
from axialcast.files.atomic import write_text
READS = ("seed",)
OUTPUTS = ("made", "single")
RESUMES = ("state",)
def run(config):
    state = config.output / "state"
    write_text(state, (state.read_text() if state.exists() else "") + "begun ")
    while (config.output.parent.parent / "wait").exists():
        time.sleep(0.05)
    for index in range(3):
        write_text(config.output / f"made/c/{index}", f"{config.seed} " * index)
    inventory.write(config.output / "made", inventory.take(config.output / "made"))
    write_text(config.output / "single", state.read_text())
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a server with an empty bucket."""
    moto = pytest.importorskip("moto.server")
    import boto3

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    address = f"http://127.0.0.1:{running.get_host_and_port()[1]}"
    words = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    boto3.client("s3", endpoint_url=address, **words).create_bucket(Bucket="bucket")
    yield address
    running.stop()


@pytest.fixture
def here(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AXIALCAST_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    Path("make.py").write_text(PIPELINE)
    Path("x.yaml").write_text(
        f"pipeline: [make.py]\noutput: s3://bucket/{tmp_path.name}/run\n"
        "data: {store: store.nc, variables: [a], train: [2001, 2001], validate: [2002, 2002], "
        "test: [2003, 2003]}\n"
    )
    monkeypatch.setattr(preflight, "check_run", lambda *given, **words: None)
    return tmp_path


def call(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def run(*words: str) -> str:
    result = call("run", "x.yaml", *words)
    assert result.exit_code == 0, result.output
    return result.output


def bucket(server: str, prefix: str) -> dict[str, bytes]:
    from obstore.store import S3Store

    config: Any = {"endpoint": server, "access_key_id": "a", "secret_access_key": "b"}
    store = S3Store("bucket", prefix=prefix, config=config, client_options={"allow_http": True})
    names = [meta["path"] for page in obstore.list(store) for meta in page]
    return {name: bytes(obstore.get(store, name).bytes()) for name in names}


def folder(path: Path) -> dict[str, bytes]:
    files = [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def test_a_run_leaves_there_what_it_leaves_in_a_folder(here: Path, server: str) -> None:
    assert run().splitlines()[-1].endswith(f"s: s3://bucket/{here.name}/run")
    run("output=here")
    there, local = bucket(server, f"{here.name}/run"), folder(Path("here"))
    assert there.keys() - local.keys() == {".working_folder.json"}
    assert local.keys() <= there.keys()
    assert {name for name in local if there[name] != local[name]} == {"config.yaml"}
    assert there["config.yaml"].decode() == local["config.yaml"].decode().replace(
        "output: here\n", f"output: s3://bucket/{here.name}/run\n"
    )
    assert not bucket(server, f"{here.name}/ru")


def test_what_is_up_to_date_there_is_skipped_on_any_machine(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    assert "make: up to date, skipped" in run()
    monkeypatch.setenv("AXIALCAST_SCRATCH", str(here / "another"))
    assert "make: up to date, skipped" in run()
    assert "make: runs again, for seed changed" in run("seed=2")
    monkeypatch.setenv("AXIALCAST_SCRATCH", str(here / "scratch"))
    assert "make: up to date, skipped" in run("seed=2")
    assert "make: runs" in run("seed=2", "--force")


def test_killed_and_gone_on_with_on_another_machine(
    here: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "from axialcast.run import preflight, urls\nurls.PUSH_SECONDS = 0.1\n"
        "preflight.check_run = lambda *given, **words: None\n"
        "from axialcast.run.cli import app\napp()"
    )
    wait = here / "scratch/wait"
    wait.parent.mkdir()
    wait.touch()
    words = [sys.executable, "-c", program, "run", "x.yaml"]
    first = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 60
        while "state" not in bucket(server, f"{here.name}/run") and time.monotonic() < end:
            time.sleep(0.1)
        second = call("run", "x.yaml")
        assert second.exit_code == 2
        assert f"s3://bucket/{here.name}/run: held by process {first.pid} on" in second.output
        told = call("status", f"s3://bucket/{here.name}/run").output
        assert f"s3://bucket/{here.name}/run: held by process {first.pid} on" in told
        assert "make: running" in told
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
    wait.unlink()
    monkeypatch.setenv("AXIALCAST_SCRATCH", str(here / "another"))
    told = call("status", f"s3://bucket/{here.name}/run").output
    assert "its run ended without a word" in told
    assert "make: runs on, from state" in run()
    there = bucket(server, f"{here.name}/run")
    assert there["single"] == b"begun begun "
    assert "state" not in there
    assert ".held.json" not in there


STOPS = """
import os, signal
import obstore
from axialcast.files import holding, leasing
from axialcast.run import preflight, urls
preflight.check_run = lambda *given, **words: None
leasing.this_host = lambda: "elsewhere"  # of this host, a process that stands still is alive
leasing.SILENT_SECONDS = 2
put = obstore.put
def stopping(store, name, *given, **words):
    sent = put(store, name, *given, **words)
    if name == "made/c/1":
        os.kill(os.getpid(), signal.SIGSTOP)
    return sent
obstore.put = stopping
from axialcast.run.cli import app
app()
"""


def test_one_that_stands_still_within_a_push_leaves_the_next_run_alone(
    here: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [sys.executable, "-c", STOPS, "run", "x.yaml"]
    first = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WNOWAIT)
        monkeypatch.setenv("AXIALCAST_SCRATCH", str(here / "another"))
        monkeypatch.setattr(leasing, "SILENT_SECONDS", 2)
        time.sleep(3.1)  # the server tells seconds
        run("seed=2")
        expected = bucket(server, f"{here.name}/run")
        os.kill(first.pid, signal.SIGCONT)
        out, line = first.communicate(timeout=60)
    finally:
        first.kill()
        first.communicate()
    assert first.returncode == 2
    assert "done" not in out
    assert line == (
        f"axialcast: error: s3://bucket/{here.name}/run: taken by another run while this one stood "
        "still; wait for it, and run again\n"
    )
    assert bucket(server, f"{here.name}/run") == expected
    assert call("inspect", f"s3://bucket/{here.name}/run", "--verify").exit_code == 0


RANKS = """
from axialcast import parallel
EVERY_RANK = True
READS = ("seed",)
OUTPUTS = ("ranks",)
def run(config):
    rank = parallel.launch().rank
    (config.output / "ranks").mkdir(exist_ok=True)
    (config.output / "ranks" / str(rank)).write_text(str(parallel.gathered(rank)))
"""
FEW = """
from axialcast.run import preflight, urls
urls.SEEN_SECONDS = 0.5
preflight.check_run = lambda *given, **words: None
from axialcast.run.cli import main
main()
"""


@pytest.fixture
def on_ranks(here: Path, ranks: Any) -> Callable[..., list[tuple[int, str, str]]]:
    """A function that runs two processes with a URL as output; of each what it came to.

    Arguments: the folders for working folders of both; None: the one that is set.
    """
    Path("make.py").write_text(RANKS)

    def start(*scratch: Path | None) -> list[tuple[int, str, str]]:
        command = [sys.executable, "-c", FEW, "run", "x.yaml"]
        own = [["env", f"{urls.SCRATCH}={folder}"] if folder else [] for folder in scratch]
        return ranks(*([*env, *command] for env in own), LOCAL_WORLD_SIZE="1")

    return start


def test_ranks_share_the_working_folder(here: Path, server: str, on_ranks: Any) -> None:
    """On one host, or on nodes that share the folder for working folders."""
    leader, follower = on_ranks(None, None)
    assert leader[0] == 0, leader
    assert leader[1].startswith("make: runs\ndone in ")
    assert follower == (0, "", "")
    there = bucket(server, f"{here.name}/run")
    assert [there[f"ranks/{rank}"] for rank in range(2)] == [b"[0, 1]"] * 2
    assert not list(here.glob("scratch/*/.*"))
    assert "make: up to date" in run()


@pytest.mark.slow
def test_ranks_with_working_folders_of_their_own_are_refused(
    here: Path, server: str, on_ranks: Any
) -> None:
    """Though each has one of an earlier run, as nodes may."""
    run("output=here")
    another = load_config("x.yaml").output.parent.name
    shutil.copytree("here", here / "another" / another / "run")
    leader, follower = on_ranks(None, here / "another")
    line = (
        f"axialcast: error: output s3://bucket/{here.name}/run: rank 1 does not see the working "
        f"folder of rank 0, {here}/scratch/{another}; set AXIALCAST_SCRATCH for all to a folder "
        "that they share, or output to one\n"
    )
    assert leader == (2, "", line)
    assert follower == (2, "", "")
    assert bucket(server, f"{here.name}/run") == {}


def test_status_and_inspect_of_what_is_there(here: Path, server: str) -> None:
    run()
    address = f"s3://bucket/{here.name}/run"
    assert call("status", address).output.splitlines() == [
        f"{address}: no run is at work",
        "make: done",
    ]
    whole = call("inspect", address, "--verify")
    assert (whole.exit_code, whole.output[: len(address) + 7]) == (0, f"{address}: whole")
    from obstore.store import S3Store

    config: Any = {"endpoint": server, "access_key_id": "a", "secret_access_key": "b"}
    store = S3Store("bucket", config=config, client_options={"allow_http": True})
    obstore.delete(store, f"{here.name}/run/made/c/1")
    assert "made/c/1: missing" in call("status", address).output
    assert call("inspect", address, "--verify").exit_code == 1
    assert call("status", f"{address}2").exit_code == 2
    assert "make: runs again, for a part of its outputs is damaged" in run()
    assert call("inspect", address, "--verify").exit_code == 0


def test_training_starts_from_a_checkpoint_that_is_there(here: Path, server: str) -> None:
    """Of a run, or by itself; its fingerprint is that of its contents, wherever they are."""
    boto3 = pytest.importorskip("boto3")
    words = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    grid, channels = LatLonGrid.regular(4, 6, poles=False), Channels([Channel("a", None, "1")])
    numbers = Statistics(*np.ones((3, 1)))
    settings = {"dim": 8, "depth": 1, "heads": 2}
    made = Checkpoint({}, settings, channels, numbers, grid, np.timedelta64(1, "D"))
    made = replace(made, weights=made.untrained().state_dict())
    save_checkpoint("there/checkpoint", made)
    for name, content in folder(Path("there")).items():
        key = f"{here.name}/parent/{name}"
        boto3.client("s3", endpoint_url=server, **words).put_object(
            Bucket="bucket", Key=key, Body=content
        )
    local = Parent.of(load_config("x.yaml", ["train.start_from=there"]))
    for place in ("parent", "parent/checkpoint"):
        address = f"s3://bucket/{here.name}/{place}"
        parent = Parent.of(load_config("x.yaml", [f"train.start_from={address}"]))
        assert parent.checkpoint.weights.keys() == made.weights.keys()
        assert parent.provenance == {**local.provenance, "checkpoint": address}
    for place, line in (
        (f"s3://bucket/{here.name}/none", "no checkpoint there"),
        ("https://x.org/run", "expected a folder, a URL of s3, gs or az, or hf://org/name"),
    ):
        with pytest.raises((FileNotFoundError, ValueError), match=line):
            Parent.of(load_config("x.yaml", [f"train.start_from={place}"]))


def test_secrets_are_neither_written_nor_told(here: Path, server: str) -> None:
    overrides = ["output_storage_options={key: AKIAKEY, secret: whisper}"]
    config = load_config("x.yaml", overrides)
    assert "whisper" not in repr(config)
    save_config(config, "written.yaml")
    text = Path("written.yaml").read_text()
    assert "whisper" not in text
    assert "AKIAKEY" not in text
    assert "${oc.env:AXIALCAST_OUTPUT_STORAGE_OPTIONS_SECRET}" in text
    output = run(*overrides)
    files = {**bucket(server, f"{here.name}/run"), **folder(here / "scratch")}
    assert "whisper" not in output
    assert not [name for name, text in files.items() if b"whisper" in text or b"hush" in text]


def test_a_file_url_is_a_folder(here: Path) -> None:
    run(f"output=file://{here}/pl%61in")
    assert Path("plain/single").exists()
    assert load_config("x.yaml", [f"output=file://{here}/plain"]).url is None


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("s3://bucket", "expected a bucket and a name within it"),
        ("s3://bucket/a/..", "expected a bucket and a name within it"),
        ("s3://bucket/a//b", "expected a bucket and a name within it"),
        ("ftp://host/run", "expected a folder or a URL of s3, gs or az"),
        ("https://host/run", "expected a folder or a URL of s3, gs or az"),
        ("s3://bucket/run?x=1", "expected a folder or a URL of s3, gs or az"),
        ("s3://me:word@bucket/run", "s3://bucket/run was given with a login"),
        ("file://host/run", "expected file:///path"),
    ],
)
def test_urls_that_nothing_can_be_written_to(here: Path, output: str, line: str) -> None:
    with pytest.raises((ConfigError, ValueError)) as raised:
        load_config("x.yaml", [f"output={output}"])
    assert line in str(raised.value)
    assert "word" not in str(raised.value)


def test_folders_of_urls_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXIALCAST_SCRATCH", "/scratch")
    addresses = ["s3://b/run", "s3://b/run2", "s3://c/run", "gs://b/run", "s3://b/x/run"]
    assert len({at_url(address)[1] for address in addresses}) == len(addresses)
    assert at_url("s3://b/run/") == at_url("s3://b/run")


def test_what_needs_a_folder_and_who_cannot_be_reached(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = call("run", "x.yaml", "--part", "1/2")
    assert parts.exit_code == 2
    assert "parts are made beside one another; set output to a folder" in parts.output
    workers = call("run", "x.yaml", "cluster={kind: slurm, workers: 2}")
    assert "workers of cluster.kind slurm write there themselves; set output" in workers.output
    wrong = call("run", "x.yaml", "output_storage_options={colour: red}")
    assert (wrong.exit_code, "output_storage_options: " in wrong.output) == (2, True)
    nowhere = call("run", "x.yaml", f"output=s3://nobucket/{here.name}")
    assert nowhere.exit_code == 2
    line = f"output s3://nobucket/{here.name}: there is no bucket nobucket; make it, set another"
    assert line in nowhere.output
    assert line in call("check", "x.yaml", f"output=s3://nobucket/{here.name}").output
    assert line in call("status", f"s3://nobucket/{here.name}").output


@pytest.mark.parametrize("code", ["NoSuchBucket", "AccessDenied"])
def test_what_a_store_answers_is_said_in_its_words(code: str) -> None:
    answer = f'404: <?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>x</Message></Error>'
    with pytest.raises(ConnectionError) as raised, failing("gs://bucket/run"):
        raise obstore.exceptions.GenericError(answer)
    expected = {
        "NoSuchBucket": "output gs://bucket/run: there is no bucket bucket; make it",
        "AccessDenied": "output gs://bucket/run: cannot be used (404: AccessDenied); check the",
    }
    assert str(raised.value).startswith(expected[code])


@pytest.mark.parametrize("fails", [False, True])
def test_a_network_that_is_away_at_the_end_costs_nothing(
    here: Path, server: str, fails: bool
) -> None:
    def away(*given: object, **words: object) -> None:
        raise obstore.exceptions.GenericError("no route")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Mirror, "push", away)
        if fails:
            Path("make.py").write_text(PIPELINE + "    raise ValueError('a mistake')\n")
        result = call("run", "x.yaml")
    if fails:
        warning, error = result.output.splitlines()[-2:]
        assert error == "axialcast: error: a mistake"
        assert warning.startswith("axialcast: warning: output s3://bucket/")
        assert warning.endswith("the same command on this machine copies the rest")
        return
    made = load_config("x.yaml").output
    assert result.exit_code == 2
    line = result.output.splitlines()[-1]
    assert line.startswith(
        f"axialcast: error: output s3://bucket/{here.name}/run: cannot be used (no route); check "
    )
    assert line.endswith(
        f"; not all was copied there, but is in {made}, and the same command on this machine "
        "copies the rest"
    )
    assert "made/c/1" not in bucket(server, f"{here.name}/run")
    assert "make: up to date" in run()
    assert bucket(server, f"{here.name}/run")["made/c/1"] == b"0 "


LOSES = """
import os
import time
import obstore
from axialcast.data.opening.kinds.remote import failing, writable
from axialcast.files import leasing
from axialcast.files.mirroring import Mirror
OUTPUTS = ("made",)
def run(config):
    obstore.put(writable(config.url, {}), ".held.json", b"another's")
    leasing.SILENT_SECONDS = 0
    time.sleep(30)
"""


def test_one_that_lost_what_is_there_ends(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("make.py").write_text(LOSES)
    monkeypatch.setattr(urls, "PUSH_SECONDS", 0.1)
    monkeypatch.setattr(leasing, "SILENT_SECONDS", 120.0)
    begun = time.monotonic()
    result = call("run", "x.yaml")
    assert result.exit_code == 2
    assert result.output == (
        f"make: runs\naxialcast: error: s3://bucket/{here.name}/run: taken by another run while "
        "this one stood still; wait for it, and run again\n"
    )
    assert time.monotonic() - begun < 25


def test_options_of_status_and_inspect(
    here: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    address = f"s3://bucket/{here.name}/run"
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("WORD", "hush")
    given = f"output_storage_options={{endpoint_url: '{server}', key: a}}"
    secret = "output_storage_options.secret=${oc.env:WORD}"
    told = call("status", address, given, secret)
    assert told.output.splitlines()[1:] == ["make: done"]
    assert f"{address}: whole" in call("inspect", address, given, secret, "--verify").output
    for wrong, line in (
        ("seed=1", "command line: seed: expected output_storage_options.KEY=VALUE"),
        ("output_storage_options=1", "command line: output_storage_options: expected"),
        ("here", "command line: here: expected KEY=VALUE"),
        ("output_storage_options.colour=red", "output_storage_options: "),
    ):
        refused = call("status", address, wrong)
        assert (refused.exit_code, line in refused.output) == (2, True), refused.output


def test_objects_whose_names_lead_out_are_refused(here: Path, server: str) -> None:
    import boto3

    words = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    client = boto3.client("s3", endpoint_url=server, **words)
    key = f"{here.name}/run/../../evil"
    client.put_object(Bucket="bucket", Key=key, Body=b"evil")
    result = call("run", "x.yaml")
    client.delete_object(Bucket="bucket", Key=key)
    assert not list(here.rglob("evil"))
    assert (result.exit_code, "cannot be used" in result.output) == (2, True)


def test_each_service_has_its_store() -> None:
    google = writable("gs://bucket/a/run", {"anon": True})
    azure = writable("abfs://box@account.dfs.core.windows.net/a/run", {"sas_token": "sig=x"})
    assert [(type(store).__name__, store.prefix) for store in (google, azure)] == [
        ("GCSStore", "a/run"),
        ("AzureStore", "a/run"),
    ]


@pytest.mark.slow
def test_the_smallest_line_there_is_that_of_a_folder(
    here: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(here)
    for name, value in (("ENDPOINT_URL", server), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a")
    monkeypatch.setenv("AXIALCAST_SCRATCH", str(here / "scratch"))
    address = f"s3://bucket/{here.name}/run"
    words = [sys.executable, "-c", "from axialcast.run.cli import app\napp()", "run"]
    for output in (address, "here"):
        subprocess.run([*words, "smallest.yaml", f"output={output}"], check=True, timeout=300)
    there, local = bucket(server, f"{here.name}/run"), folder(Path("here"))
    assert there.keys() - local.keys() == {".working_folder.json"}
    assert local.keys() <= there.keys()
    # What says where the data are, or how long a step took, and the checksums of that.
    told = {"config.yaml", "log.jsonl", "report.html", "checkpoint/model.json"}
    told |= {f".stages/{name}.json" for name in ("train", "forecast", "verify")}
    differing = {name for name in local if there[name] != local[name]} - told
    assert not {name for name in differing if "/.inventory/" not in name}
