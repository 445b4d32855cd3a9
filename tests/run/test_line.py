"""Pipelines that contradict the config, one another or the output folder: found before a run."""

from pathlib import Path

import pytest
import xarray as xr

from axialcast.run.config import load_config
from axialcast.run.line import stages_of

RUN = "\ndef run(config): ...\n"


def refused(*pipelines: str, **settings: str) -> list[str]:
    overrides = [f"pipeline=[{','.join(pipelines)}]", *(f"{k}={v}" for k, v in settings.items())]
    with pytest.raises(ValueError, match=r".") as caught:
        stages_of(load_config("x.yaml", overrides))
    return getattr(caught.value, "lines", [str(caught.value)])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("READS = ('data.trian',)", "'data.trian' is no key of a config; did you mean data.train?"),
        ("READS = ('verify.regions.x',)", "'verify.regions.x' is no key of a config; did you mean"),
        ("READS = ('train.schedule.steps',)", "no key of a config; did you mean train.schedule?"),
        ("READS = 'data.train'", ":1: READS is computed; write out its names, as READS = ("),
        ("READS = 5", ":1: READS is computed; write out its names"),
        ("READS = ()\nREADS += ('seed',)", ":2: READS is computed; write out its names"),
        ("READS: tuple = tuple(['seed'])", ":1: READS is computed; write out its names"),
        ("NEEDS = ('nobody.nc',)", "no nobody.nc there; the pipeline own needs it, and no"),
        ("NEEDS = ('forecast.zarr',)", "the pipeline own needs it, run forecast first"),
        ("OUTPUTS = ('../x',)", "OUTPUTS: '../x' is not a stage's to make; expected a name in"),
        ("OUTPUTS = ('/etc/x',)", "OUTPUTS: '/etc/x' is not a stage's to make"),
        ("OUTPUTS = ('config.yaml',)", "OUTPUTS: 'config.yaml' is not a stage's to make"),
        ("OUTPUTS = ('.stages/x',)", "OUTPUTS: '.stages/x' is not a stage's to make"),
        ("RESUMES = ('.',)", "RESUMES: '.' is not a stage's to make"),
        ("KEEPS = ('',)", "KEEPS: '' is not a stage's to make"),
        ("import no_such_package", "imports no_such_package, which is not installed; install it"),
        ("from no_such_package.deep import x", "imports no_such_package, which is not installed"),
    ],
)  # fmt: skip
def test_what_a_pipeline_says_of_itself(config_here: Path, text: str, line: str) -> None:
    Path("own.py").write_text(text + RUN)
    [found] = refused("own.py")
    assert line in found


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"\xff\xfe", "own.py: not a Python program in UTF-8"),
        (b"\x00", "own.py: not valid Python"),
        (b"x = (\n", "own.py:1: not valid Python: '(' was never closed"),
        (b"def run(): ...", "own.py: defines no run(config); add `def run(config): ...`"),
        (b"def run(a, b): ...", "own.py: defines no run(config)"),
        (b"async def run(config): ...", "own.py: defines no run(config)"),
        (b"run = 5", "own.py: defines no run(config)"),
    ],
)
def test_what_is_no_program(config_here: Path, content: bytes, line: str) -> None:
    Path("own.py").write_bytes(content)
    [found] = refused("own.py")
    assert found.startswith(line)


@pytest.mark.parametrize(
    "text",
    [
        "READS: tuple[str, ...] = ('data', 'data.region.latitude', 'seed')" + RUN,
        "import json, numpy.random\ntry:\n    import no_such\nexcept ImportError:\n    pass" + RUN,
        "def run(config, more=1): ...",
        "def run(*configs): ...",
    ],
)
def test_other_spellings_are_programs(config_here: Path, text: str) -> None:
    Path("own.py").write_text(text)
    [stage] = stages_of(load_config("x.yaml", ["pipeline=own.py"]))
    assert stage.name == "own"
    assert stage.reads == (("data", "data.region.latitude", "seed") if "READS" in text else None)


def test_stages_are_looked_at_together(config_here: Path) -> None:
    Path("twin.py").write_text("OUTPUTS = ('checkpoint',)" + RUN)
    [line] = refused("train", "twin.py")
    assert line == "pipeline: train and twin both make checkpoint; leave one of them out"
    Path("after.py").write_text("NEEDS = ('checkpoint',)" + RUN)
    [line] = refused("after.py", "train")
    assert line.endswith("the pipeline after needs it, and train makes it: put that first")
    assert [stage.name for stage in stages_of(load_config("x.yaml", ["pipeline=[train,after.py]"]))]
    assert refused("forecast", "verify")[0].startswith("runs/x/checkpoint: no checkpoint there; ")
    Path("runs/x/checkpoint").mkdir(parents=True)
    assert len(stages_of(load_config("x.yaml", ["pipeline=[after.py,forecast,verify]"]))) == 3


def test_what_lies_in_the_way_of_outputs(config_here: Path, analysis: xr.Dataset) -> None:
    """Found before the training, not after it."""
    output, every = Path("runs/x"), ("prepare", "train", "forecast", "verify")
    for name in ("checkpoint", "states", "forecast.zarr", ".fitted", "training.zarr.unfinished"):
        output.mkdir(parents=True, exist_ok=True)
        (output / name).touch()
        line = refused(*every)[0]
        assert line.startswith(f"runs/x/{name}: is a file, and "), line
        assert line.endswith(" writes a folder there; remove it, or set another output")
        (output / name).unlink()
    (output / "scores.csv").mkdir()
    [line] = refused(*every)
    assert line.startswith("runs/x/scores.csv: is a folder, and verify writes a file there; ")
    (output / "scores.csv").rmdir()
    analysis.to_zarr(output / "forecast.zarr", zarr_format=2)
    [line] = refused(*every)
    assert "runs/x/forecast.zarr: is a folder with " in line
    assert line.endswith("that axialcast did not make; remove it, or set another output")
    Path("own.py").write_text("OUTPUTS = ('forecast.zarr',)" + RUN)
    stages_of(load_config("x.yaml", ["pipeline=[train,own.py]"]))


def test_a_store_that_a_stage_would_write_is_refused(config_here: Path) -> None:
    for store in (
        "runs/x/training.zarr",
        "runs/x/training.zarr/inner.nc",
        "runs/x/../x/training.zarr",
    ):
        [line] = refused("prepare", "train", **{"data.store": store})
        assert line == (
            f"data.store: {store} is what the pipeline prepare writes; set output to another folder"
        )
    Path("own.py").write_text("RESUMES = ('part.zarr',)" + RUN)
    [line] = refused("own.py", **{"data.store": "runs/x/part.zarr"})
    assert line.startswith("data.store: runs/x/part.zarr is what the pipeline own writes")
    # Read, not written.
    overrides = ["data.store=runs/x/training.zarr", "pipeline=[train]"]
    assert len(stages_of(load_config("x.yaml", overrides))) == 1


def test_prepare_needs_no_simulation_where_there_is_a_store(config_here: Path) -> None:
    assert len(stages_of(load_config("x.yaml", ["pipeline=[prepare,train]"]))) == 2
    [line] = refused("prepare", "train", **{"data.store": "null"})
    assert line.startswith(
        "runs/x/analysis.zarr: no analysis.zarr there; the pipeline prepare needs "
    )
    assert line.endswith("run simulate first")


def test_a_baseline_whose_packages_are_absent_is_found_first(
    config_here: Path, monkeypatch
) -> None:
    absent = lambda name: None if name == "pysteps" else True  # noqa: E731
    monkeypatch.setattr("axialcast.run.line.find_spec", absent)
    baselines = {"verify.baselines": "[persistence,lagrangian_persistence]"}
    [line] = refused("train", "forecast", "verify", **baselines)
    assert line == (
        "verify.baselines: lagrangian_persistence needs pip install 'axialcast[nowcast]'; or leave "
        "it out"
    )
    overrides = [f"{key}={value}" for key, value in baselines.items()]
    stages_of(load_config("x.yaml", ["pipeline=[train,forecast]", *overrides]))
