"""Checkpoints go to the hub and come back from it: a fake of its client that keeps folders."""

import dataclasses
import runpy
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import axialcast
from axialcast.adapters.earth2studio import Prognostic
from axialcast.forecast import load_checkpoint, save_checkpoint
from axialcast.publishing import model_card, push
from axialcast.run.cli import app
from axialcast.run.config import load_config
from axialcast.run.parent import Parent

hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
from huggingface_hub import errors  # noqa: E402

ROOT = Path(__file__).parents[2]
make_checkpoint = runpy.run_path(str(ROOT / "tests/forecast/conftest.py"))["make_checkpoint"]
ADDRESS = "hf://org/name"
SCORES = """\
model,variable,level,lead_time_hours,metric,region,value,num_pairs,masked
forecast,geopotential,500,24,rmse,all,100.5,9,0
persistence,geopotential,500,24,rmse,all,200.25,9,0
forecast,geopotential,500,24,mae,all,80,9,0
forecast,mean_sea_level_pressure,,24,rmse,all,150,9,0
persistence,mean_sea_level_pressure,,24,rmse,all,120,9,0
forecast,geopotential,500,24,rmse,tropics,50,9,0
"""


def refusal(status, kind=errors.HfHubHTTPError):
    """An error of the hub, whose constructor wants a response of the client's own library."""
    error = kind.__new__(kind, "refused")
    error.response = SimpleNamespace(status_code=status)
    return error


class Hub:
    """Repositories as folders; a revision is the whole of one."""

    def __init__(self, folder):
        self.folder, self.commits, self.private = folder, [], {}

    def snapshot_download(self, name, *, revision, allow_patterns, library_name):
        there = self.folder / name / (revision or "main")
        if not there.is_dir():
            kind = errors.RevisionNotFoundError if revision else errors.RepositoryNotFoundError
            raise refusal(404, kind)
        cache = self.folder / "cache" / name
        shutil.rmtree(cache, ignore_errors=True)
        wanted = {p for pattern in allow_patterns for p in there.glob(pattern) if p.is_file()}
        for path in wanted:  # as the client's cache does: links to blobs
            link = cache / path.relative_to(there)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
        return str(cache)

    def create_repo(self, name, *, private, exist_ok):
        assert exist_ok
        self.private.setdefault(name, private)
        (self.folder / name / "main").mkdir(parents=True, exist_ok=True)

    def list_repo_files(self, name, *, revision):
        there = self.folder / name / (revision or "main")
        return [str(p.relative_to(there)) for p in there.rglob("*") if p.is_file()]

    def create_commit(self, name, operations, *, commit_message, revision):
        self.commits.append(operations)
        for each in operations:
            path = self.folder / name / (revision or "main") / each.path_in_repo
            if isinstance(each, hub.CommitOperationDelete):
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with each.as_file() as file:
                path.write_bytes(file.read())
        return SimpleNamespace(commit_url=f"https://hub/{name}")


@pytest.fixture
def there(tmp_path, monkeypatch):
    fake = Hub(tmp_path / "hub")
    monkeypatch.setattr(hub, "snapshot_download", fake.snapshot_download)
    monkeypatch.setattr(hub, "HfApi", lambda library_name: fake)
    return fake


@pytest.fixture
def run(analysis, tmp_path):
    """A run's output with a checkpoint of two networks and scores."""
    checkpoint = make_checkpoint(analysis)
    folder = tmp_path / "run"
    several = dataclasses.replace(checkpoint, others=[checkpoint.weights])
    save_checkpoint(folder / "checkpoint", several)
    (folder / "scores.csv").write_text(SCORES)
    return folder


def test_what_is_pushed_comes_back(run, there, analysis):
    result = CliRunner().invoke(app, ["push", str(run), ADDRESS, "--license", "cc-by-4.0"])
    assert result.exit_code == 0, result.output
    assert result.output == (
        f'published at https://hub/org/name; others use it by axialcast.load("{ADDRESS}")\n'
    )
    assert len(there.commits) == 1
    wanted = {"init_times": "2001-01-10", "lead_times": "24h"}
    here = axialcast.load(run / "checkpoint", device="cpu").predict(analysis, **wanted)
    back = axialcast.load(ADDRESS, device="cpu")
    np.testing.assert_array_equal(back.predict(analysis, **wanted).geopotential, here.geopotential)
    assert Prognostic.load(ADDRESS).reads == back.reads
    assert not (there.folder / "cache/org/name/README.md").exists(), "it is not needed"
    inspected = CliRunner().invoke(app, ["inspect", ADDRESS])
    assert f"checkpoint {ADDRESS}" in inspected.output
    assert "members: 2" in inspected.output


def test_a_training_starts_from_what_is_published(run, there, tmp_path, monkeypatch):
    push(run / "checkpoint", ADDRESS)
    monkeypatch.chdir(tmp_path)
    Path("tuned.yaml").write_text("pipeline: [simulate]\n")
    here, back = (
        Parent.of(load_config("tuned.yaml", [f"train.start_from={place}"]))
        for place in (run, ADDRESS)
    )
    assert back.provenance["checkpoint"] == ADDRESS
    assert back.provenance["fingerprint"] == here.provenance["fingerprint"]
    for name, weights in here.checkpoint.weights.items():
        np.testing.assert_array_equal(back.checkpoint.weights[name], weights)
    with pytest.raises(FileNotFoundError, match="hf://org/other"):
        Parent.of(load_config("tuned.yaml", ["train.start_from=hf://org/other"]))


def test_a_smaller_ensemble_replaces_a_larger_one(run, there):
    push(run / "checkpoint", ADDRESS)
    mine = there.folder / "org/name/main"
    (mine / ".gitattributes").write_text("theirs")
    assert (mine / "weights.1.safetensors").exists()
    one = load_checkpoint(run / "checkpoint").alone(0)
    save_checkpoint(run / "one", one)
    (run / "one/README.md").write_text("mine")
    push(run / "one", ADDRESS, private=True)
    assert sorted(p.name for p in mine.iterdir()) == [
        *(".gitattributes", ".inventory", "README.md", "model.json", "weights.safetensors")
    ]
    assert (mine / "README.md").read_text() == "mine"
    assert there.private == {"org/name": False}, "that it is there is left as it is"
    assert len(axialcast.load(ADDRESS, device="cpu").checkpoint.members) == 1


def test_the_card_tells_errors_of_all_forecasts_not_of_seasons(run):
    head, *rows = SCORES.splitlines()
    of = {"all": rows, "DJF": [row.replace("100.5", "9.25") for row in rows]}
    lines = [f"{row},{case}" for case, each in of.items() for row in each]
    (run / "scores.csv").write_text("\n".join([f"{head},cases", *lines, ""]))
    checkpoint = load_checkpoint(run / "checkpoint")
    card = model_card(checkpoint, ADDRESS, scores=run / "scores.csv")
    assert "100.5" in card
    assert "9.25" not in card


def test_the_card_says_what_it_is(run):
    (run / "scores.csv").write_text(SCORES)
    checkpoint = load_checkpoint(run / "checkpoint")
    strange = dataclasses.replace(
        checkpoint, provenance={"train": ["1", "2"], "store": "a|b<c>\n# d"}
    )
    card = model_card(strange, ADDRESS, scores=run / "scores.csv")
    _, head, text = card.split("---\n", 2)
    known = yaml.safe_load(head)
    assert known["library_name"] == "axialcast"
    assert "license" not in known
    [model] = known["model-index"]
    metrics = model["results"][0]["metrics"]
    assert [(m["name"], m["value"]) for m in metrics] == [
        ("RMSE of geopotential 500 hPa at 24 h", 100.5),
        ("RMSE of mean_sea_level_pressure at 24 h", 150.0),
    ]
    assert "| geopotential 500 hPa at 24 h | **100.5** | 200.2 |" in text
    assert "| mean_sea_level_pressure at 24 h | 150 | **120** |" in text
    assert "| mean_sea_level_pressure | – | Pa | prognostic |" in text
    assert "- store: a\\|b&lt;c> # d\n" in text
    assert "- trained on: 1 to 2\n" in text
    plain = model_card(checkpoint, ADDRESS)
    assert "## Scores" not in plain
    assert "model-index" not in plain
    (run / "scores.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="holds no root mean square errors"):
        model_card(checkpoint, ADDRESS, scores=run / "scores.csv")


@pytest.mark.parametrize(
    ("address", "kind", "said"),
    [
        ("hf://org/other", FileNotFoundError, "hf://org/other: the hub has no such repository"),
        ("hf://org", ValueError, "hf://org: expected hf://org/name or hf://org/name@revision"),
        ("https://x.org/a", ValueError, "expected a folder, a URL of s3, gs or az, or hf://org"),
    ],
)
def test_what_is_not_there_is_said(there, address, kind, said):
    with pytest.raises(kind, match=said):
        axialcast.load(address)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (errors.LocalEntryNotFoundError("no\nnet"), ConnectionError, "cannot be reached: no net"),
        (ConnectionError("gone"), ConnectionError, f"{ADDRESS}: the hub cannot be reached: gone"),
        (errors.LocalTokenNotFoundError("x"), PermissionError, "nobody is logged in; run: hf auth"),
        (
            refusal(403),
            PermissionError,
            r"the hub refuses \(403\); log in with: hf auth login",
        ),
    ],
)
def test_errors_of_the_hub_are_one_line(run, monkeypatch, error, kind, said):
    def fail(*args, **options):
        raise error

    monkeypatch.setattr(hub, "snapshot_download", fail)
    with pytest.raises(kind, match=said) as raised:
        axialcast.load(ADDRESS)
    assert "\n" not in str(raised.value)


def test_the_library_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match=r"pip install 'axialcast\[hub\]'"):
        axialcast.load(ADDRESS)
