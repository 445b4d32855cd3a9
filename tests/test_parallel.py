"""Processes of one run: who they are, what they tell one another, and what is said when one ends.

Run as a program, this file is one of them.
"""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from axialcast import heartbeats, meeting, parallel
from axialcast.parallel import Launch, launch
from axialcast.run.cli.speaking import plain_errors

SRUN = {"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "1"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Launch()),
        (
            {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"},
            Launch(3, 4, 1, 2, "torchrun"),
        ),
        ({**SRUN, "SLURM_STEP_TASKS_PER_NODE": "4(x2)"}, Launch(5, 8, 1, 4, "srun")),
        ({**SRUN, "SLURM_STEP_TASKS_PER_NODE": "2(x3),1,1"}, Launch(5, 8, 1, 2, "srun")),
        # torchrun within srun counts, for it is nearer.
        (
            {**SRUN, "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"},
            Launch(1, 2, 1, 1, "torchrun"),
        ),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, Launch()),  # of a batch script
        ({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}, Launch(launcher="srun")),
        (
            {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"},
            Launch(1, 2, 0, 1, "mpirun"),
        ),
    ],
)
def test_place_is_what_the_launcher_says(environment: dict[str, str], expected: Launch) -> None:
    assert launch(environment) == expected


@pytest.mark.parametrize(
    ("environment", "name"),
    [({"RANK": "two", "WORLD_SIZE": "4"}, "RANK"), ({"RANK": "4", "WORLD_SIZE": "4"}, "RANK: 4")],
)
def test_a_place_that_cannot_be_is_refused(environment: dict[str, str], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        launch(environment)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("a7", "a7"), ("a7,b[1-2]", "a7"), ("n[03-07,9],m1", "n03"), ("r1n[12]-ib", "r1n12-ib")],
)
def test_first_host_of_slurms_short_form(nodes: str, first: str) -> None:
    assert meeting._first_host(nodes) == first


def test_one_process_talks_to_itself() -> None:
    with parallel.joined() as me:
        assert me == Launch()
        assert not parallel.is_joined()
        assert parallel.told({"a": 1}) == {"a": 1}
        assert parallel.gathered(2) == [2]
        assert parallel.summed([0.5, 1]) == [0.5, 1]
        assert not parallel.any_of(False)
        parallel.barrier()


def test_what_they_tell_one_another() -> None:
    said = [
        f"{{'a': [0, 'é']}} [0, [1, 1], [2, 2, 2]] [0.75, 3] True False {rank}" for rank in range(3)
    ]
    assert outcomes("talk") == [(0, out, "") for out in said]


def test_an_error_of_a_follower_is_said_by_the_leader() -> None:
    host = socket.gethostname()
    line = f"axialcast: error: rank 2 on {host}: data.store x: is not there; give another"
    assert outcomes("error") == [(2, "", line), (2, "", ""), (2, "", "")]


def test_an_error_of_the_leader_is_all_that_is_said() -> None:
    """Though it holds the store that the others, at work alone, hear of it by."""
    assert outcomes("lead_err", 0) == [(2, "", "axialcast: error: 4 is wrong")] + 2 * [(2, "", "")]


def test_an_error_of_all_is_said_once() -> None:
    assert outcomes("all_err") == [
        (2, "", "axialcast: error: 4 is wrong"),
        (2, "", ""),
        (2, "", ""),
    ]


@pytest.mark.parametrize(
    ("killed", "where"),
    [
        (0, "busy"),
        (2, "exchange"),
        pytest.param(0, "exchange", marks=pytest.mark.slow),
        pytest.param(0, "telling", marks=pytest.mark.slow),
        pytest.param(2, "telling", marks=pytest.mark.slow),
        pytest.param(2, "busy", marks=pytest.mark.slow),
    ],
)
def test_when_one_is_killed_all_end_and_one_speaks(where: str, killed: int) -> None:
    """Whether the others want something of it, wait for the leader, or are at work alone."""
    if where == "telling" and killed == 0:
        pytest.skip("the same as exchange")
    found = outcomes(f"kill_{where}", killed)
    speaker = 0 if killed else 1
    assert found[killed][0] == -signal.SIGKILL
    for rank in {0, 1, 2} - {killed}:
        status, out, err = found[rank]
        assert (status, out) == (1, "")
        if rank == speaker:
            assert err.startswith(f"axialcast: error: rank {killed} on ")
            assert err.endswith(
                "is gone without a word, killed or with its node; run again to go on"
            )
            assert "\n" not in err
        else:
            assert err == ""


@pytest.mark.slow
def test_one_that_stands_still_counts_as_lost() -> None:
    found = outcomes("stop", 2)
    assert [status for status, _, _ in found[:2]] == [1, 1]
    assert "rank 2 on" in found[0][2]
    assert found[1][2] == ""


def test_a_signal_ends_all_with_its_status() -> None:
    found = outcomes("signal", 1)
    assert [status for status, _, _ in found] == [143, 143, 143]
    assert "SIGTERM" in found[0][2]
    assert found[1][2] == found[2][2] == ""


def outcomes(case: str, target: int = -1) -> list[tuple[int, str, str]]:
    """Status, stdout and stderr of three processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    environment |= {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "WORLD_SIZE": "3"}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, case, str(target)],
            env=environment | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(3)
    ]
    try:
        if case == "stop":  # it does not end by itself
            others = [process for rank, process in enumerate(processes) if rank != target]
            for process in others:
                process.wait(60)
            processes[target].kill()
        said = [process.communicate(timeout=60) for process in processes]
    finally:
        for process in processes:
            process.kill()
    pairs = zip(processes, said, strict=True)
    return [(process.returncode, out.strip(), err.strip()) for process, (out, err) in pairs]


def play(case: str, target: int) -> None:
    """What a process does in a case."""
    me = parallel.launch()
    is_target = me.rank == target
    match case:
        case "talk":
            heard = parallel.told({"a": [0, "é"]} if me.is_leader else None)
            all_said = parallel.gathered([me.rank] * (me.rank + 1) if me.rank else 0)
            sums = parallel.summed([0.25, me.rank])
            print(
                heard,
                all_said,
                sums,
                parallel.any_of(me.rank == 1),
                parallel.any_of(False),
                me.rank,
            )
        case "error":
            if me.rank == 2:
                raise ValueError("data.store x: is not there; give another")
            parallel.told(parallel.gathered(0))
        case "lead_err":
            if is_target:
                raise ValueError("4 is wrong")
            time.sleep(1.5)
            parallel.told(0)
        case "all_err":
            raise ValueError("4 is wrong")
        case "kill_exchange":
            parallel.gathered(0)
            if is_target:
                os.kill(os.getpid(), signal.SIGKILL)
            parallel.gathered(1)
        case "kill_telling":
            parallel.gathered(0)
            if is_target:
                os.kill(os.getpid(), signal.SIGKILL)
            if me.is_leader:
                time.sleep(50)
            parallel.told(0)
        case "kill_busy":
            parallel.gathered(0)
            if is_target:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(50)
        case "stop":
            time.sleep(3)  # heard of once
            parallel.gathered(0)
            if is_target:
                os.kill(os.getpid(), signal.SIGSTOP)
            parallel.gathered(1)
        case "signal":
            parallel.gathered(0)
            if is_target:
                os.kill(os.getpid(), signal.SIGTERM)
            parallel.gathered(1)


if __name__ == "__main__":
    from axialcast import stopping

    heartbeats.SILENT, heartbeats.GRACE, heartbeats.LOST = 4.0, 2.0, 2.5
    import typer

    status = 0
    try:
        with plain_errors(False), stopping.raised(), parallel.joined():
            play(sys.argv[1], int(sys.argv[2]))
    except typer.Exit as ended:
        status = ended.exit_code
    parallel.leave(status)
    sys.exit(status)
