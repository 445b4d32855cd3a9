"""The batch jobs that a run is cut into: one for each stage, each after the one before."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from axialcast.run.config import Config
from axialcast.run.line import stages_of
from axialcast.run.shipped import pipelines
from axialcast.run.stage import Stage
from axialcast.run.stages import up_to_date

__all__ = ["Job", "jobs_of"]


@dataclass(frozen=True)
class Job:
    """One job of a batch system.

    Args:
        name: its own; no two jobs of a run have the same.
        stage: that it is for.
        pipeline: what it runs, as `pipeline:` of a config names it.
        saves: names in the output folder by which it is seen whether it gets on.
        nodes, processes, gpus: how many, the latter two on each node.
        parts: of an array that shares the stage; 1: it is none.
        turn, turns: place among jobs in a row that run the same, from 1 on.
    """

    name: str
    stage: str
    pipeline: tuple[str, ...]
    saves: tuple[str, ...] = ()
    nodes: int = 1
    processes: int = 1
    gpus: int = 0
    parts: int = 1
    turn: int = 1
    turns: int = 1

    @property
    def tasks(self) -> int:
        """Processes on all of its nodes."""
        return self.nodes * self.processes


def jobs_of(config: Config, folder: Path = Path()) -> list[Job]:
    """The jobs of a config, in order; none for stages that are up to date at its beginning.

    Args:
        config: the run; its section `cluster` says what each job has.
        folder: where the pipelines' relative paths are looked for besides the working directory.

    Raises:
        ValueError: the pipelines contradict one another, or their processes do.
    """
    ranks, cluster = config.cluster.nodes * config.cluster.processes, config.cluster
    if ranks % config.train.domain_ranks:
        raise ValueError(
            f"train.domain_ranks: {config.train.domain_ranks} does not divide the {ranks} "
            "processes of cluster.nodes times cluster.processes; change one of them"
        )
    if ranks > 1 and config.train.parallel == "none" and "train" in config.pipeline:
        raise ValueError(
            f"train.parallel: none is one process, and cluster.nodes times cluster.processes are "
            f"{ranks}; set it to auto, or make both 1"
        )
    jobs: list[Job] = []
    shared: tuple[str, ...] = ()
    stages = stages_of(config, folder)
    begin = up_to_date(config, stages)
    for name, stage in zip(config.pipeline[begin:], stages[begin:], strict=True):
        job = _job(stage, name if name in pipelines() else str(stage.path.resolve()), config)
        # Whoever comes after an array first sees that all of it is there, and says that it ended.
        jobs.append(replace(job, pipeline=(*shared, *job.pipeline)) if job.parts == 1 else job)
        shared = () if job.parts == 1 else job.pipeline
    if shared:
        jobs.append(Job(f"whole-{jobs[-1].stage}", jobs[-1].stage, shared))
    turns = cluster.turns if cluster.kind == "pbs" else 1
    return [turn for job in jobs for turn in _turns(job, turns)]


def _job(stage: Stage, name: str, config: Config) -> Job:
    """A stage's job: of as many processes as it can use."""
    cluster, saves = config.cluster, (*stage.resumes, *stage.keeps)
    own = re.sub(r"[^\w.-]", "_", stage.name)
    if stage.in_parts and cluster.forecast_jobs > 1:
        gpus, parts = min(cluster.gpus, 1), cluster.forecast_jobs
        return Job(own, stage.name, (name,), saves, gpus=gpus, parts=parts)
    if stage.every_rank and not (stage.in_parts and cluster.workers):  # which share it
        nodes, processes, gpus = cluster.nodes, cluster.processes, cluster.gpus
        return Job(own, stage.name, (name,), saves, nodes, processes, gpus)
    return Job(own, stage.name, (name,), saves)


def _turns(job: Job, turns: int) -> Iterator[Job]:
    if turns == 1 or not job.saves:
        yield job
        return
    for turn in range(1, turns + 1):
        yield replace(job, name=f"{job.name}-{turn}", turn=turn, turns=turns)
