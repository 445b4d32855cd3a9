"""Dask workers that share what falls into parts: preparing, forecasts, verification.

`cluster:` in a config says where they run: on this machine, as jobs of Slurm or PBS, or wherever a
scheduler's workers are already. The library sees an executor of Python's own, and none of Dask.
"""

import importlib.util
import logging
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from axialcast.files.atomic import remove
from axialcast.run.config import Config
from axialcast.run.scripts import LOGS

__all__ = ["workers"]

REACH_SECONDS = 30
"""How long a scheduler that is said to run may take to answer."""
DEATH_SECONDS = 60
"""After which a worker ends that hears nothing of the scheduler."""
LOST_WORKERS = 10
"""Workers that may die with a task before it is taken for what kills them."""


@contextmanager
def workers(config: Config) -> Iterator[Executor | None]:
    """Within the context, an executor of the config's Dask workers; None: it wants none.

    What is submitted is a function that a module defines, and small arguments. A task whose worker
    is lost goes to another one.

    Raises:
        ValueError: Dask is not installed, or workers see another output folder.
        OSError: no scheduler answers.
    """
    cluster = config.cluster
    if not cluster.workers and cluster.kind != "address":
        yield None
        return
    needed = ["distributed", *(["dask_jobqueue"] if cluster.kind in ("slurm", "pbs") else [])]
    if any(importlib.util.find_spec(name) is None for name in needed):
        raise ValueError(
            f"cluster.workers: {cluster.workers} workers need pip install 'axialcast[hpc]'; or "
            "set it to 0"
        )
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
    with dask.config.set(options), _quiet(), ExitStack() as stack:
        try:
            at = cluster.address if cluster.kind == "address" else _started(config, stack)
            client = stack.enter_context(Client(at, timeout=REACH_SECONDS))
        except (OSError, TimeoutError) as error:
            raise OSError(
                f"cluster.address: no Dask scheduler answers at {cluster.address} "
                f"({str(error).partition(chr(10))[0]}); start it, or correct the address"
            ) from None
        _require_same_folder(client, config.output)
        with client.get_executor(pure=False, retries=0) as executor:
            yield executor


def _started(config: Config, stack: ExitStack) -> Any:
    """Workers of our own, which end with the stack."""
    cluster = config.cluster
    threads = [f"{name}_NUM_THREADS=1" for name in ("OMP", "OPENBLAS", "MKL")]
    if cluster.kind == "local":
        from distributed import LocalCluster

        return stack.enter_context(
            LocalCluster(
                n_workers=cluster.workers,
                threads_per_worker=cluster.cores,
                memory_limit=f"{cluster.memory_gib}GiB",
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
                env=dict(text.split("=") for text in threads),
                death_timeout=DEATH_SECONDS,
            )
        )
    from dask_jobqueue.pbs import PBSCluster
    from dask_jobqueue.slurm import SLURMCluster

    seconds = cluster.walltime_seconds
    walltime = f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
    kind = SLURMCluster if cluster.kind == "slurm" else PBSCluster
    jobs = stack.enter_context(
        kind(
            queue=cluster.queue,
            account=cluster.account,
            cores=cluster.cores,
            processes=1,
            memory=f"{cluster.memory_gib}GiB",
            walltime=walltime,
            death_timeout=DEATH_SECONDS,
            log_directory=str(config.output.absolute() / LOGS),
            job_script_prologue=[*cluster.prologue, *(f"export {text}" for text in threads)],
            scheduler_options={"dashboard_address": None},
            worker_extra_args=["--no-dashboard"],
        )
    )
    # Not `scale`, which starts no other job for one that was killed or whose walltime is over.
    jobs.adapt(minimum=cluster.workers, maximum=cluster.workers)
    return jobs


def _require_same_folder(client: Any, output: Path) -> None:
    """Raises where a worker does not see what this process writes.

    Raises:
        ValueError: names the worker's host.
    """
    output.mkdir(parents=True, exist_ok=True)
    sign = output.absolute() / f".seen-{os.getpid()}-{secrets.token_hex(4)}"
    sign.touch()
    try:
        client.wait_for_workers(1, timeout=None)
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
    loggers = [logging.getLogger(name) for name in ("distributed", "dask_jobqueue", "tornado")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
