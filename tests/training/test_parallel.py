"""Several processes train as one does: the same gradients and losses; what is saved serves all.

Run as a program, this file is one of the processes: it compares, and exits with an error.
"""

import errno
import io
import os
import runpy
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from axialcast import parallel
from axialcast.data import Channels, States, WindowLoader, grid_of, open_analysis, statistics
from axialcast.files.tensors import Snapshot
from axialcast.model import ForecastNetwork
from axialcast.model.freezing import freeze
from axialcast.run.config import load_config
from axialcast.stopping import Stopped
from axialcast.training import ForecastTask, Log, Processes, Training, adamw
from axialcast.training.parallel import whole

ROOT = Path(__file__).parents[2]
DAY = np.timedelta64(1, "D")
BATCH_SIZE = 7
DRY = "model={dim: 8, depth: 2, heads: 2, patch: [1, 2, 2], dropout: 0}"
CONFTEST = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
entries = CONFTEST["entries"]
SAME = {"rtol": 1e-10, "atol": 1e-10}


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("kind", "world_size", "domain_ranks"),
    [
        ("ddp", 2, 1),
        ("fsdp", 2, 1),
        ("ddp", 2, 2),
        pytest.param("ddp", 3, 1, marks=SLOW),
        pytest.param("fsdp", 3, 1, marks=SLOW),
        pytest.param("ddp", 4, 2, marks=SLOW),
        pytest.param("fsdp", 4, 2, marks=SLOW),
    ],
)
def test_gradients_are_those_of_one_process(
    make_analysis, ranks, tmp_path, kind, world_size, domain_ranks
):
    """Of uneven parts of a batch with masks, accumulated, of rollouts, of bands of latitudes."""
    analysis = make_analysis(num_times=29)
    pressure, random = analysis["mean_sea_level_pressure"], np.random.default_rng(0)
    share = 0.8 * random.random((29, 1, 1))  # differs much between windows
    analysis[pressure.name] = pressure.where(random.random(pressure.shape) > share)
    analysis.to_netcdf(tmp_path / "analysis.nc")
    check_in(ranks, world_size, "gradients", kind, tmp_path / "analysis.nc", domain_ranks)


def test_stopped_and_gone_on(runner, make_analysis, ranks, tmp_path, capsys):
    """Three processes go on to the bit, as two would whatever the order of their sums."""
    make_analysis(num_times=60).to_netcdf(tmp_path / "analysis.nc")
    runner = runner._replace(store=tmp_path / "analysis.nc")
    runner.stopped_at(5, tmp_path / "more", DRY)
    check_in(ranks, 3, "going_on", tmp_path / "analysis.nc", tmp_path)
    capsys.readouterr()
    runner(tmp_path / "fewer", DRY)
    # They have one thread each, and this one perhaps more.
    *_, changed, goes_on, kept = capsys.readouterr().out.splitlines()
    assert changed.startswith("train: processes was 3, is 1; ")
    assert changed.endswith(
        "train.parallel was fsdp, is none: the same to rounding, not to the bit"
    )
    assert goes_on == "train: goes on from step 5"
    assert kept.startswith("train: keeps weights of step")
    agree(entries(tmp_path / "fewer"), entries(tmp_path / "reference"))


@pytest.mark.parametrize(
    ("world_size", "asked", "told"),
    [
        (2, {"kind": "none"}, "train.parallel: none, but torchrun started 2 processes; choose"),
        (4, {"domain_ranks": 3}, "train.domain_ranks: 3 does not divide the 4 processes"),
        (1, {"domain_ranks": 2}, "2 does not divide the 1 processes; start a multiple of 2 by"),
        (8, {}, "train.batch_size: 7 windows are too few for 8 processes; choose at least 8"),
        (4, {"accumulate": 2}, "too few for 4 processes, 2 parts on each; choose at least 8"),
    ],
)
def test_processes_that_do_not_fit_are_refused(monkeypatch, world_size, asked, told):
    pretend(monkeypatch, 0, world_size)
    with pytest.raises(ValueError, match=told):
        Processes.joined(**{"batch_size": BATCH_SIZE, **asked})


def test_who_has_what(monkeypatch):
    """Neighbours share windows; several processes of no kind are ddp, and one is none."""
    places = []
    for rank in range(6):
        pretend(monkeypatch, rank, 6)
        processes = Processes.joined(domain_ranks=2, batch_size=BATCH_SIZE)
        places.append((processes.data_rank, processes.rank, processes.kind))
        assert processes.data_ranks == 3
    assert places == [(rank // 2, rank, "ddp") for rank in range(6)]
    pretend(monkeypatch, 0, 1)
    assert Processes.joined("fsdp", batch_size=BATCH_SIZE) == Processes()


def pretend(monkeypatch, rank: int, world_size: int) -> None:
    me = parallel.Launch(rank, world_size, rank, world_size, "torchrun")
    monkeypatch.setattr("axialcast.parallel.launch", lambda: me)


def bytes_in(state: Path) -> list[int]:
    """Of the tensors in each file of a state, the leader's first."""
    files = [state / "tensors.safetensors", *sorted(state.glob("tensors-*"))]
    return [sum(tensor.nbytes for tensor in load_file(file).values()) for file in files]


def agree(got: list[dict], want: list[dict]) -> None:
    """Asserts that two logs are the same to rounding."""
    assert len(got) == len(want)
    for one, other in zip(got, want, strict=True):
        assert one == pytest.approx(other, rel=1e-3)


def check_in(ranks, world_size, *arguments):
    """Runs this file in several processes, which must all end well."""
    command = [sys.executable, "-W", "error", __file__, *map(str, arguments)]
    for status, out, err in ranks(*[command] * world_size):
        assert status == 0, out + err


class Doubled(WindowLoader):
    """Windows in float64, in which sums of parts are the sum of all to 1e-15."""

    def epoch(self, epoch, first_batch=0):
        for batch in super().epoch(epoch, first_batch):
            yield replace(batch, states=batch.states.double())


def training_of(
    analysis, processes: Processes, accumulate: int, reversible: bool, frozen: Sequence[str] = ()
) -> Training:
    channels, grid = Channels.of(analysis), grid_of(analysis)
    stats = statistics(analysis, channels, step=1)
    torch.manual_seed(0)
    network = ForecastNetwork(
        num_channels=len(channels),
        grid=grid,
        increment_scale=stats.increment_scale.tolist(),
        dim=8,
        depth=2,
        heads=2,
        reversible=reversible,
    ).double()
    freeze(network, frozen)
    rows = processes.share(network)
    states = States(analysis.isel(latitude=rows), channels, stats, num_latitudes=len(grid.latitude))
    assert states.masked

    def windows(target_steps: int, **options):
        ranks = {"rank": processes.data_rank, "world_size": processes.data_ranks}
        return Doubled(
            states,
            **{"input_steps": 2, "target_steps": target_steps, "batch_size": BATCH_SIZE},
            **ranks,
            **options,
        )

    return Training(
        network,
        ForecastTask(
            step=DAY,
            area_weights=torch.tensor(grid.area_weights[rows]),
            scale=network.increment_scale,
            precision="float32",  # no autocast
        ),
        optimizer=lambda network: adamw(network, weight_decay=0.1),
        learning_rate=lambda step: 1e-3,
        stage_steps=[2, 2],
        windows=lambda number: windows(1 + number, drop_last=True, seed=number),
        validation=windows(2, shuffle=False),
        ema_decay=0.7,
        gradient_clip=0.5,
        validate_every=2,
        accumulate=accumulate,
        processes=processes,
    )


def gradients(kind: str, path: str, domain_ranks: str) -> None:
    """Those of Training in several processes, compared with Training in one, step by step."""
    analysis = open_analysis(path)
    norms = []
    cases = (1, False, ()), (2, True, ()), (1, True, ("embed", "positions", "norm"))
    for accumulate, reversible, frozen in cases:
        processes = Processes.joined(
            kind, domain_ranks=int(domain_ranks), batch_size=BATCH_SIZE, accumulate=accumulate
        )
        assert processes.kind == kind
        one = training_of(analysis, Processes(), 1, reversible, frozen)
        many = training_of(analysis, processes, accumulate, reversible, frozen)
        for want, got in zip(one.updates(), many.updates(), strict=True):
            case = f"{kind}, accumulate {accumulate}, step {want.step}"
            want_values, got_values = want.values(), got.values()
            want_values.pop("seconds"), got_values.pop("seconds")
            assert got_values == pytest.approx(want_values, rel=1e-10, abs=0), case
            norms.append(want_values["gradient_norm"])
            parameters = dict(many.network.named_parameters())
            for name, parameter in one.network.named_parameters():
                if parameter.grad is None:
                    assert frozen
                    assert parameters[name].grad is None
                    continue
                gradient = whole(parameters[name].grad)
                torch.testing.assert_close(
                    gradient, parameter.grad, **SAME, msg=lambda m, n=name, c=case: f"{c} {n} {m}"
                )
            # Weights whose gradient is rounding alone Adam moves anyhow, and they change nothing.
            for name, average in many.weights().items():
                torch.testing.assert_close(
                    average, one.averaged.module.state_dict()[name], rtol=0, atol=5e-3
                )
    assert min(norms) > 0.5, "or clipping is not seen"


class Runs:
    """Trainings of one store, each with an output of its own in a folder."""

    def __init__(self, store: str, folder: str) -> None:
        self.store, self.folder = store, Path(folder)
        self.pipeline = runpy.run_path(str(ROOT / "pipelines" / "train.py"))["run"]

    def __call__(self, name: str, *overrides: str, stop: int = 0) -> None:
        """Trains; the leader gets a signal when the line of step `stop` is written."""
        settings = [*CONFTEST["SETTINGS"], f"data.store={self.store}"]
        settings += [f"output={self.folder / name}", *overrides]
        write = Log.write

        def write_and_stop(log, entry):
            write(log, entry)
            if entry.step == stop:
                signal.raise_signal(signal.SIGTERM)

        Log.write = write_and_stop
        try:
            self.pipeline(load_config(ROOT / "configs" / "smallest.yaml", settings))
            assert not stop
        except Stopped:
            assert stop
        Log.write = write
        parallel.barrier()

    def outcome(self, name: str) -> tuple[list, bytes]:
        weights = self.folder / name / "checkpoint" / "weights.safetensors"
        return entries(self.folder / name), weights.read_bytes()


def going_on(store: str, folder: str) -> None:
    """Stopped by a signal that one process got and run again; then with other processes."""
    run = Runs(store, folder)
    for kind, stops in (("ddp", (3, 10)), ("fsdp", (7,))):
        mine = f"train.parallel={kind}"
        run(kind, mine)
        for stop in stops:
            run(f"{kind}{stop}", mine, stop=stop)
            run(f"{kind}{stop}", mine)
            assert run.outcome(f"{kind}{stop}") == run.outcome(kind), f"{kind}, {stop}"
    with_a_full_disk(run)
    # What one kind of process saved, or another number of them, others go on from.
    run("reference", DRY, "train.parallel=ddp")
    for first, second in (("ddp", "fsdp"), ("fsdp", "ddp")):
        run(first + second, DRY, f"train.parallel={first}", stop=5)
        run(first + second, DRY, f"train.parallel={second}")
    run("more", DRY)
    for name in ("ddpfsdp", "fsdpddp", "more"):
        agree(entries(run.folder / name), entries(run.folder / "reference"))
    run("fewer", DRY, "train.parallel=fsdp", stop=5)
    shared = bytes_in(run.folder / "fewer" / "states" / "00000005")
    [complete] = bytes_in(run.folder / "ddpfsdp" / "states" / "00000005")
    assert len(shared) == 3
    assert sum(shared) == complete
    assert max(shared[1:]) < 0.4 * complete


def with_a_full_disk(run: Runs) -> None:
    """What one process has no room for is a state for nobody; training goes on."""
    write, said = Snapshot.write, io.StringIO()

    def full_at_first(snapshot, path):
        if parallel.launch().rank == 1 and not said.getvalue():
            said.write("full")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(snapshot, path)

    Snapshot.write = full_at_first
    with redirect_stderr(said):
        run("full", "train.parallel=fsdp", "train.save_every=1 step", "train.keep_states=99")
    Snapshot.write = write
    assert run.outcome("full") == run.outcome("fsdp")
    names = sorted(path.name for path in (run.folder / "full" / "states").iterdir())
    assert names
    assert all(name.isdigit() and name > "00000001" for name in names), names
    if parallel.launch().rank == 0:
        assert "train: step 1 not saved, training goes on: " in said.getvalue()
        assert said.getvalue().count("the disk is full") == 1


if __name__ == "__main__":
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    with parallel.joined():
        {"gradients": gradients, "going_on": going_on}[sys.argv[1]](*sys.argv[2:])
    # All is checked; with FSDP2 on gloo an ordinary exit now and then ends in "terminate called".
    os._exit(0)
