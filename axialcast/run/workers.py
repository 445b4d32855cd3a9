"""Dask workers that share what falls into parts: preparing, forecasts, verification.

`cluster:` in a config says where they run: on this machine, as jobs of Slurm or PBS, or wherever a
scheduler's workers are already. The library sees an executor of Python's own, and none of Dask.
"""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axialcast.files.atomic import remove
from axialcast.run.config import Config
from axialcast.run.line import workers_uninstalled
from axialcast.run.scripts import LOGS

__all__ = ["workers"]

REACH_SECONDS = 30
"""How long a scheduler that is said to run may take to answer."""
DEATH_SECONDS = 60
"""After which a worker ends that hears nothing of the scheduler."""
LOST_WORKERS = 10
"""Workers that may die with a task before it is taken for what kills them."""
SAY_SECONDS = 10.0
"""After which it is said that the first worker is waited for."""
TRY_SECONDS = 60.0
"""After which a job is submitted again that the batch system refused while others run."""
NO_PAGES = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
"""Of a scheduler: whatever it shows of itself is shown to nobody, at a port that is free."""

_logger = logging.getLogger("axialcast")


@contextmanager
def workers(config: Config) -> Iterator[Executor | None]:
    """Within the context, an executor of the config's Dask workers; None: it wants none.

    What is submitted is a function that a module defines, and small arguments. A task whose worker
    is lost goes to another one.

    Raises:
        ValueError: Dask is not installed, or workers see another output folder.
        OSError: no scheduler answers, or the batch system takes no job.
    """
    cluster = config.cluster
    if not cluster.workers and cluster.kind != "address":
        yield None
        return
    for line in workers_uninstalled(config):
        raise ValueError(line)
    import dask
    from distributed import Client

    options = {
        "distributed.scheduler.allowed-failures": LOST_WORKERS,
        "distributed.comm.timeouts.connect": REACH_SECONDS,
        # A worker that spills or pauses by a rule of thumb does more harm than good here.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
    }
    submissions = _Submissions()
    with dask.config.set(options), _quiet(), ExitStack() as stack:
        at = cluster.address
        if cluster.kind == "local":
            at = _on_this_machine(config, stack)
        elif cluster.kind != "address":
            at = _as_jobs(config, stack, submissions)
        try:
            client = stack.enter_context(Client(at, timeout=REACH_SECONDS))
        except (OSError, TimeoutError) as error:
            if cluster.kind != "address":
                raise
            raise OSError(
                f"cluster.address: no Dask scheduler answers at {cluster.address} "
                f"({str(error).partition(chr(10))[0]}); start it, or correct the address"
            ) from None
        _wait_for_one(client, config, submissions)
        _require_same_folder(client, config.output)
        executor = client.get_executor(pure=False, retries=0)
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False)  # Ctrl-C has ended the workers, too
            raise
        executor.shutdown()


@dataclass
class _Submissions:
    """What became of the jobs that workers are.

    Args:
        refused: what the batch system said last, if it refused one.
        are_begun: there was a worker.
        are_over: no more are wanted.
    """

    refused: str | None = None
    are_begun: bool = False
    are_over: bool = False


def _threads() -> list[str]:
    """Variables of workers, whose tasks are their threads."""
    return [f"{name}_NUM_THREADS=1" for name in ("OMP", "OPENBLAS", "MKL")]


def _on_this_machine(config: Config, stack: ExitStack) -> Any:
    """Workers that are processes of this machine, and end with the stack."""
    from distributed import LocalCluster

    cluster = config.cluster
    return stack.enter_context(
        LocalCluster(
            n_workers=cluster.workers,
            threads_per_worker=cluster.cores,
            memory_limit=f"{cluster.memory_gib}GiB",
            dashboard_address=None,
            scheduler_kwargs=NO_PAGES,
            silence_logs=logging.CRITICAL,
            env=dict(text.split("=") for text in _threads()),
            death_timeout=DEATH_SECONDS,
        )
    )


def _as_jobs(config: Config, stack: ExitStack, submissions: _Submissions) -> Any:
    """Workers that are jobs of a batch system, and end with the stack."""
    from dask_jobqueue.pbs import PBSCluster
    from dask_jobqueue.slurm import SLURMCluster
    from distributed.core import Status

    cluster, seconds = config.cluster, config.cluster.walltime_seconds
    walltime = f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
    kind: Any = SLURMCluster if cluster.kind == "slurm" else PBSCluster

    class Job(kind.job_cls):  # type: ignore[misc]
        """One that is submitted again if it was refused: its cluster takes it for submitted."""

        async def _submit_job(self, script: str) -> Any:
            while True:
                try:
                    return await super()._submit_job(script)
                except (OSError, RuntimeError) as error:
                    submissions.refused = _reason(error)
                    if submissions.are_over:
                        self.status = Status.failed
                        raise
                    if submissions.are_begun:
                        _logger.warning(
                            "cluster.kind %s: refuses a worker (%s); it is submitted again",
                            cluster.kind,
                            submissions.refused,
                        )
                end = time.monotonic() + TRY_SECONDS
                while time.monotonic() < end and not submissions.are_over:
                    await asyncio.sleep(0.1)

    jobs = stack.enter_context(
        type("Jobs", (kind,), {"job_cls": Job})(
            queue=cluster.queue,
            account=cluster.account,
            cores=cluster.cores,
            processes=1,
            memory=f"{cluster.memory_gib}GiB",
            walltime=walltime,
            death_timeout=DEATH_SECONDS,
            log_directory=str(config.output.absolute() / LOGS),
            job_script_prologue=[*cluster.prologue, *(f"export {text}" for text in _threads())],
            scheduler_options=NO_PAGES,
            worker_extra_args=["--no-dashboard"],
        )
    )
    stack.callback(setattr, submissions, "are_over", True)
    # Not `scale`, which starts no other job for one that was killed or whose walltime is over.
    jobs.adapt(minimum=cluster.workers, maximum=cluster.workers)
    return jobs


def _reason(error: Exception) -> str:
    """What a command of a batch system said last."""
    if isinstance(error, FileNotFoundError):
        return f"there is no command {error.filename}"
    return ([line for line in str(error).splitlines() if line.strip()] or ["nothing said"])[-1]


def _wait_for_one(client: Any, config: Config, submissions: _Submissions) -> None:
    """Returns when there is a worker.

    Raises:
        OSError: the batch system does not take a job for one.
    """
    start, is_said = time.monotonic(), False
    while True:
        try:
            client.wait_for_workers(1, timeout=0.5)
            submissions.are_begun = True
            return
        except TimeoutError:
            if submissions.refused is not None:
                raise OSError(
                    f"cluster.kind {config.cluster.kind}: refuses a worker "
                    f"({submissions.refused}); run where jobs can be submitted, with the site's "
                    "cluster.queue and cluster.account, and a walltime that it allows"
                ) from None
        if not is_said and time.monotonic() - start > SAY_SECONDS:
            is_said = True
            print("cluster: waits for the first worker", flush=True)


def _require_same_folder(client: Any, output: Path) -> None:
    """Raises where a worker does not see what this process writes.

    Raises:
        ValueError: names the worker's host.
    """
    output.mkdir(parents=True, exist_ok=True)
    sign = output.absolute() / f".seen-{os.getpid()}-{secrets.token_hex(4)}"
    sign.touch()
    try:
        seen = client.run(os.path.exists, str(sign))
    finally:
        remove(sign)
    for address, is_seen in seen.items():
        if not is_seen:
            raise ValueError(
                f"output {output}: the worker at {address} does not see it; set output= to a "
                "folder that all nodes share"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Within the context, Dask's own log says nothing: a lost worker is no matter of the user's."""
    names = ("distributed", "distributed.client", "dask_jobqueue", "tornado", "tornado.application")
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
