"""`axialcast submit` and what `status` says of jobs, with batch systems that only write down."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from axialcast.files.holding import hold
from axialcast.run.cli import app
from axialcast.run.config import load_config
from axialcast.run.jobs import jobs_of
from axialcast.run.schedulers import SCHEDULERS, State
from axialcast.run.submission import dry_run, read_record

SUBMITS = """#!/bin/bash
# A batch system that writes down how it was called, and numbers jobs from 41 on.
echo "$(basename "$0") $*" >>{folder}/calls
if [ -e {folder}/refuses ] && [ "$(wc -l <{folder}/calls)" -ge 3 ]; then
    echo "invalid queue" >&2 && exit 1
fi
echo "$((40 + $(grep -c "^$(basename "$0")" {folder}/calls))){suffix}"
"""
SAYS = """#!/bin/bash
[ -e {folder}/says ] || {{ echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; }}
cat {folder}/says
"""


SLOW = """
import os
import signal
import time
OUTPUTS = ("done",)
RESUMES = ("begun",)
def run(config):
    if not (config.output / "begun").exists():
        (config.output / "begun").touch()
        os.kill(os.getppid(), signal.SIGUSR1)  # as if the time were over
        time.sleep(20)
    (config.output / "done").touch()
"""


@pytest.fixture
def batch(data_here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with commands of batch systems, first on PATH."""
    folder = data_here / "bin"
    folder.mkdir()
    commands = {"sbatch": SUBMITS, "qsub": SUBMITS, "scancel": SUBMITS, "qdel": SUBMITS}
    for name, text in (commands | {"squeue": SAYS, "qstat": SAYS}).items():
        suffix = ".server" if name == "qsub" else ""
        (folder / name).write_text(text.format(folder=folder, suffix=suffix))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def submit(*overrides: str) -> Result:
    return call("submit", "x.yaml", "cluster.kind=slurm", *overrides)


def said(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    return result.stderr.strip()


def test_each_stage_is_a_job_after_the_one_before(batch: Path) -> None:
    result = submit()
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "train: job 41",
        "forecast: job 42",
        "verify: job 43",
    ]
    logs = Path("runs/x/logs").absolute()
    after = "--kill-on-invalid-dep=yes"
    assert (batch / "calls").read_text().splitlines() == [
        f"sbatch --parsable {logs}/train.sh",
        f"sbatch --parsable --dependency=afterok:41 {after} {logs}/forecast.sh",
        f"sbatch --parsable --dependency=afterok:42 {after} {logs}/verify.sh",
    ]
    config = load_config(logs / "config.yaml")
    assert config == load_config("x.yaml", ["cluster.kind=slurm"])
    assert not Path("runs/x/logs/.held.json").exists()
    assert [job["number"] for job in read_record(Path("runs/x"))[1]] == ["41", "42", "43"]


def test_a_config_that_check_refuses_is_not_submitted(batch: Path) -> None:
    assert "data.test" in said(submit("data.test=[1999,1999]"))
    assert not (batch / "calls").exists()
    assert not Path("runs").exists()


def test_what_is_up_to_date_at_the_beginning_is_no_job(batch: Path) -> None:
    assert call("run", "x.yaml", "pipeline=train").exit_code == 0
    assert submit().stdout.splitlines() == ["forecast: job 41", "verify: job 42"]
    assert submit("train.learning_rate=0.1").stdout.splitlines()[0] == "train: job 43"
    assert submit("pipeline=train").stdout == "all is up to date, and nothing is submitted\n"


def test_what_is_under_way_is_not_submitted_again(batch: Path) -> None:
    assert submit().exit_code == 0
    (batch / "says").write_text("42|N/A|RUNNING|None\n43|N/A|PENDING|Dependency\n")
    assert said(submit()) == (
        "axialcast: error: runs/x: submitted already, as 42 (forecast, running), 43 (verify, "
        "queued); wait, or cancel them with `scancel 42 43`"
    )
    (batch / "says").write_text("42|N/A|FAILED|NonZeroExitCode\n")
    with hold(Path("runs/x")):
        assert "runs/x: held by process" in said(submit())
    with hold(Path("runs/x/logs")):
        assert "runs/x/logs: held by process" in said(submit())
    assert submit().exit_code == 0
    (batch / "says").unlink()
    assert submit().exit_code == 0


def test_what_was_submitted_is_taken_back_if_the_rest_is_refused(batch: Path) -> None:
    (batch / "refuses").touch()
    result = submit()
    assert result.exit_code == 2
    assert result.stderr == "axialcast: error: sbatch: invalid queue\n"
    assert (batch / "calls").read_text().splitlines()[-2:] == ["scancel 42", "scancel 41"]
    assert not Path("runs/x/.jobs.json").exists()


def test_kinds_without_a_queue_and_machines_without_the_commands(
    batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("local", "address"):
        assert said(call("submit", "x.yaml", f"cluster.kind={kind}")) == (
            f"axialcast: error: cluster.kind: {kind} has no queue to submit to; use `axialcast "
            "run`, or set cluster.kind=slurm or pbs"
        )
    without_clients(monkeypatch)
    assert said(call("submit", "x.yaml", "cluster.kind=pbs")) == (
        "axialcast: error: qsub: no such command on this machine; go to one where jobs are "
        "submitted, or load the batch system's module"
    )


@pytest.mark.parametrize("kind", ["slurm", "pbs"])
def test_a_dry_run_prints_scripts_and_writes_nothing(batch: Path, kind: str) -> None:
    chosen = ["cluster.nodes=3", "cluster.processes=5", "cluster.cores=7", "cluster.gpus=5"]
    chosen += ["cluster.memory_gib=11", "cluster.queue=long", "cluster.account=me@site"]
    chosen += ["cluster.walltime=13 hours", "cluster.save_minutes=17"]
    result = call("submit", "x.yaml", f"cluster.kind={kind}", "--dry-run", *chosen)
    assert result.exit_code == 0, result.output
    assert not (batch / "calls").exists()
    assert not Path("runs").exists()
    scripts = re.split(r"^# (?:sbatch|qsub) ", result.stdout, flags=re.MULTILINE)[1:]
    assert [Path(script.split()[0].rstrip(",")).name for script in scripts] == [
        "train.sh",
        "forecast.sh",
        "verify.sh",
    ]
    for script in scripts:
        assert "13:00:00" in script
        subprocess.run(["bash", "-n"], input=script.partition("\n")[2], text=True, check=True)
    verify = scripts[-1]
    if kind == "slurm":
        assert "--signal=B:USR1@1020" in verify
        assert "--mem=11264M" in verify
        assert "--partition=long" in verify
        assert "--account=me@site" in verify
    else:
        assert "--signal=USR1 45780" in verify
        assert "select=1:ncpus=7:mpiprocs=1:mem=11264mb\n" in verify
        assert "#PBS -q long" in verify


def test_a_stage_of_every_rank_has_all_processes(batch: Path) -> None:
    Path("mine/all.py").write_text("EVERY_RANK = True\ndef run(config): ...\n")
    chosen = ["pipeline=[mine/all.py, verify]", "cluster.nodes=3", "cluster.processes=5"]
    more = ["cluster.gpus=5", "cluster.cores=7", "cluster.memory_gib=2"]
    config = load_config("x.yaml", ["cluster.kind=slurm", *chosen, *more])
    Path("runs/x/forecast.zarr").mkdir(parents=True)
    first, second = jobs_of(config)
    assert (first.nodes, first.processes, first.gpus, first.tasks) == (3, 5, 5, 15)
    assert (second.nodes, second.processes, second.gpus, second.tasks) == (1, 1, 0, 1)
    assert first.pipeline == (str(Path("mine/all.py").resolve()),)
    [script, _] = dry_run(config)
    for line in ("nodes=3", "ntasks-per-node=5", "cpus-per-task=7", "mem=10240M"):
        assert f"#SBATCH --{line}\n" in script
    assert "#SBATCH --gpus-per-node=5\n" in script
    assert re.search(r"^srun .*--cpus-per-task=7", script, re.MULTILINE)
    config = load_config("x.yaml", ["cluster.kind=pbs", *chosen, *more])
    [script, _] = dry_run(config)
    assert "#PBS -l select=3:ncpus=35:mpiprocs=5:mem=10240mb:ngpus=5\n" in script
    assert "mpirun -n 15 --map-by ppr:5:node:PE=7" in script
    with pytest.raises(ValueError, match=r"train\.parallel: none is one process"):
        jobs_of(load_config("x.yaml", ["cluster.nodes=2", "train.parallel=none"]))
    with pytest.raises(ValueError, match=r"train\.domain_ranks: 2 does not divide the 15"):
        jobs_of(load_config("x.yaml", [*chosen, "train.domain_ranks=2"]))


def test_parts_of_a_stage_are_an_array_that_the_next_job_completes(batch: Path) -> None:
    Path("mine/some.py").write_text("IN_PARTS = True\ndef run(config): ...\n")
    Path("runs/x/forecast.zarr").mkdir(parents=True)
    chosen = ["cluster.forecast_jobs=8", "cluster.gpus=4", "cluster.nodes=2"]
    some = str(Path("mine/some.py").resolve())
    for pipeline, pipelines in (
        ("[mine/some.py, verify]", (some, "verify")),
        ("mine/some.py", (some,)),
    ):
        config = load_config("x.yaml", ["cluster.kind=slurm", f"pipeline={pipeline}", *chosen])
        parts, whole = jobs_of(config)
        assert (parts.parts, parts.nodes, parts.gpus, parts.pipeline) == (8, 1, 1, (some,))
        assert whole.pipeline == pipelines
        [script, _] = dry_run(config)
        assert "#SBATCH --array=1-8\n" in script
        assert '--part "$SLURM_ARRAY_TASK_ID/8" &\n' in script
    assert whole.name == "whole-some"


def test_on_pbs_a_stage_that_goes_on_may_take_turns(batch: Path) -> None:
    result = call("submit", "x.yaml", "cluster.kind=pbs", "cluster.turns=3")
    assert result.exit_code == 0, result.output
    names = ["train-1", "train-2", "train-3", "forecast-1", "forecast-2", "forecast-3"]
    turns = [line.partition(":")[0] for line in result.stdout.splitlines()]
    assert turns[:6] == names
    calls = (batch / "calls").read_text().splitlines()
    assert calls[2].startswith("qsub -W depend=afterok:42.server ")
    for name, goes_on in (("train-2", True), ("train-3", False)):
        script = Path(f"runs/x/logs/{name}.sh").read_text()
        assert ("status=0 # the next job goes on" in script) == goes_on


def test_a_job_queues_again_only_if_it_saved_something_new(batch: Path) -> None:
    Path("mine/slow.py").write_text(SLOW)
    assert submit("pipeline=mine/slow.py").exit_code == 0
    (batch / "scontrol").write_text(f'#!/bin/bash\necho "$*" >>{batch}/calls\nkill -9 $PPID\n')
    (batch / "scontrol").chmod(0o755)
    script, log = Path("runs/x/logs/slow.sh"), Path("runs/x/logs/slow-41")

    def run() -> tuple[int, str]:
        known = {**os.environ, "SLURM_JOB_ID": "41"}
        done = subprocess.run(["bash", script], env=known, capture_output=True, timeout=60)
        return done.returncode, done.stderr.decode()

    code, _ = run()
    assert code == -9  # by scontrol
    assert (batch / "calls").read_text().splitlines()[-1] == "requeue 41"
    assert not log.with_suffix(".exit").exists()
    stuck = SLOW.replace("if not", "if True or not").replace(
        '(config.output / "begun").touch()', "0"
    )
    Path("mine/slow.py").write_text(stuck)
    code, told = run()
    assert code == 138
    assert "nothing new was saved within a walltime; make cluster.walltime longer" in told
    assert log.with_suffix(".exit").read_text() == "138\n"
    assert status()[0] == (
        "job 41 (slow): stopped for the end of its walltime; submit the run again to go on"
    )


@pytest.mark.slow
def test_turns_of_a_pbs_job_stop_before_the_walltime_and_go_on(batch: Path) -> None:
    Path("mine/slow.py").write_text(SLOW)
    chosen = ("pipeline=mine/slow.py", "cluster.kind=pbs", "cluster.turns=2")
    assert call("submit", "x.yaml", *chosen, "cluster.walltime=1 minute").exit_code == 0
    outcomes = []
    for number, name in (("41", "slow-1"), ("42", "slow-2")):
        script = Path(f"runs/x/logs/{name}.sh").read_text()
        assert "--signal=USR1 30 " in script
        done = subprocess.run(
            ["bash"],
            input=script,
            env={**os.environ, "PBS_JOBID": f"{number}.server"},
            text=True,
            timeout=60,
        )
        exit_file = Path(f"runs/x/logs/{name}-{number}.exit").read_text()
        outcomes.append((done.returncode, exit_file))
        said = Path(f"runs/x/logs/{name}-{number}.log").read_text()
        assert ("stopped by SIGUSR1" in said) == (number == "41"), said
    assert outcomes == [(0, "0\n"), (0, "0\n")]
    assert Path("runs/x/done").exists()
    assert call("status", "runs/x").stdout.splitlines()[1:] == ["slow: done"]


def test_names_and_lines_cannot_become_shell(
    batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = tmp_path / "it's $(touch a) `b`"
    strange.mkdir()
    monkeypatch.chdir(strange)
    Path("x.yaml").write_text((tmp_path / "x.yaml").read_text())
    Path("analysis.nc").symlink_to(tmp_path / "analysis.nc")
    assert "batch systems read blanks and signs" in said(submit())
    result = submit(f"output={tmp_path}/out")
    assert result.exit_code == 0, result.output
    script = (tmp_path / "out/logs/train.sh").read_text()
    [line] = [line for line in script.splitlines() if line.startswith("cd ")]
    shown = subprocess.run(
        ["bash", "-c", f"{line.partition('||')[0]}&& pwd"], capture_output=True, text=True
    )
    assert shown.stdout.strip() == str(strange)
    for key in ("queue", "account"):
        assert f"cluster.{key}: got" in said(submit(f"cluster.{key}='a; rm b'"))


def test_secrets_stay_in_the_environment(batch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_MINE", "wordofmine")
    asked = "data.storage_options={secret: '${oc.env:SECRET_OF_MINE}'}"
    text = "".join(dry_run(load_config("x.yaml", ["cluster.kind=slurm", asked])))
    assert "wordofmine" not in text
    assert "SECRET_OF_MINE" not in text
    lines = "cluster.prologue=['export WORD=${oc.env:SECRET_OF_MINE}']"
    assert said(submit(lines, "--dry-run")).startswith(
        "axialcast: error: cluster.prologue: takes a value from the environment, which no script"
    )
    clear = "data.storage_options={secret: wordofmine}"
    assert said(submit("data.store=s3://nowhere/a.zarr", clear)) == (
        "axialcast: error: data: holds a secret in clear, which is not written into the jobs' "
        "config; give it as AXIALCAST_STORAGE_OPTIONS_SECRET in the environment, and write "
        "${oc.env:AXIALCAST_STORAGE_OPTIONS_SECRET} in its place"
    )


def test_an_output_folder_that_nodes_do_not_share(batch: Path) -> None:
    remote = load_config("x.yaml", ["cluster.kind=slurm", "output=s3://bucket/run"])
    with pytest.raises(ValueError, match="output s3://bucket/run: jobs keep their scripts and"):
        dry_run(remote)


def test_a_template_of_ones_own(batch: Path) -> None:
    assert call("cp", "slurm.sh", "mine.sh").exit_code == 0
    own = Path("mine.sh").read_text().replace("#SBATCH --requeue", "#SBATCH --qos={{ stage }}")
    Path("mine.sh").write_text(own)
    [first, *_] = dry_run(load_config("x.yaml", ["cluster.kind=slurm", "cluster.script=mine.sh"]))
    assert "#SBATCH --qos=train\n" in first
    for text, line in (
        (
            own + "{{ stages }}",
            "mine.sh: 'stages' is undefined; see the shipped one, `axialcast cp",
        ),
        (own + "{% if %}", "mine.sh:90: not a template: "),
        (own + "if [", "mine.sh: makes a script that bash cannot read: "),
    ):
        Path("mine.sh").write_text(text)
        found = said(submit("cluster.script=mine.sh"))
        assert re.sub(r":\d+:", ":90:", found).startswith(f"axialcast: error: {line}"), found
    assert "cluster.script: no such file yours.sh; give a path" in said(
        submit("cluster.script=yours.sh")
    )


def test_status_tells_what_jobs_do_and_what_a_failed_one_said_last(
    batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert submit().exit_code == 0
    (batch / "says").write_text(
        "41|N/A|COMPLETED|None\n42|N/A|RUNNING|None\n43|N/A|PENDING|Dependency\n"
    )
    logs = Path("runs/x/logs")
    (logs / "train-41.exit").write_text("0\n")
    assert status() == [
        "job 41 (train): ended",
        "job 42 (forecast): running",
        "job 43 (verify): queued (Dependency)",
    ]
    (batch / "says").unlink()
    (logs / "forecast-42.exit").write_text("2\n")
    lines = "".join(f"line {number}\n\n" for number in range(9))
    (logs / "forecast-42.log").write_text(lines)
    assert status() == [
        "job 41 (train): ended",
        "job 42 (forecast): failed with status 2",
        "  runs/x/logs/forecast-42.log:",
        *(f"    line {number}" for number in range(4, 9)),
        "job 43 (verify): never ran",
    ]
    (batch / "says").write_text("43|N/A|CANCELLED|DependencyNeverSatisfied\n")
    (logs / "forecast-42.exit").unlink()
    assert status()[-1] == "job 43 (verify): never ran (cancelled: DependencyNeverSatisfied)"
    assert status()[1] == "job 42 (forecast): ended without a word"
    without_clients(monkeypatch)
    assert status()[1] == (
        "job 42 (forecast): not known on this machine, which has no slurm or cannot reach it"
    )


def test_status_counts_the_parts_of_an_array(batch: Path) -> None:
    Path("mine/some.py").write_text("IN_PARTS = True\ndef run(config): ...\n")
    submit("pipeline=mine/some.py", "cluster.forecast_jobs=11")
    lines = [f"41|{number}|RUNNING|None\n" for number in (1, 3, 5)]
    (batch / "says").write_text("".join([*lines, "41|6-11%2|PENDING|Resources\n"]))
    assert status()[0] == "job 41 (some): 3 running, 6 queued (Resources) of 11 parts"
    (batch / "says").unlink()
    logs = Path("runs/x/logs")
    for number in range(1, 12):
        (logs / f"some-41_{number}.exit").write_text("1" if number in (5, 7) else "0")
    (logs / "some-41_5.log").write_text("no memory")
    assert status()[:3] == [
        "job 41 (some): 2 of 11 parts failed with status 1",
        "  runs/x/logs/some-41_5.log:",
        "    no memory",
    ]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kind": "x", "jobs": [3]}', "\0"])
def test_a_record_that_is_not_ours_is_no_jobs(tmp_path: Path, text: str) -> None:
    (tmp_path / ".jobs.json").write_text(text)
    assert read_record(tmp_path) == ("slurm", [])


def test_what_batch_systems_say(batch: Path) -> None:
    (batch / "says").write_text(
        "7|N/A|TIMEOUT|TimeLimit\n8|3|COMPLETING|None\n8|4-6,9%2|PENDING|Resources\n"
    )
    assert SCHEDULERS["slurm"].states(["7", "8"]) == {
        "7": [State("failed", "timeout", "TimeLimit")],
        "8": [State("running", "completing", "None"), State("queued", "pending", "Resources", 4)],
    }
    (batch / "says").write_text(
        "Job Id: 7.server\n    Job_Name = x\n    job_state = R\n"
        "Job Id: 8[].server\n    job_state = B\nJob Id: 9.server\n    job_state = H\n"
    )
    phases = SCHEDULERS["pbs"].states(["7.server", "8[].server", "9.server", "10.server"])
    assert phases is not None
    assert {number: state.phase for number, [state] in phases.items()} == {
        "7.server": "running",
        "8[].server": "running",
        "9.server": "queued",
    }
    assert SCHEDULERS["pbs"].log("train", "8[].server") == "train-8"
    (batch / "says").unlink()
    assert SCHEDULERS["slurm"].states(["7"]) == {}


def without_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH with nothing but bash."""
    Path("only").mkdir()
    Path("only/bash").symlink_to("/bin/bash")
    monkeypatch.setenv("PATH", str(Path("only").resolve()))


def status() -> list[str]:
    lines = call("status", "runs/x").stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("job "))
    return lines[start:]


def test_the_record_is_json_that_says_what_was_submitted(batch: Path) -> None:
    assert submit().exit_code == 0
    known = json.loads(Path("runs/x/.jobs.json").read_text())
    assert known == {
        "kind": "slurm",
        "jobs": [
            {"name": "train", "stage": "train", "number": "41", "parts": 1},
            {"name": "forecast", "stage": "forecast", "number": "42", "parts": 1},
            {"name": "verify", "stage": "verify", "number": "43", "parts": 1},
        ],
    }
