"""Batch scripts: a job and a template in, readable shell out.

Whatever a placeholder of a template stands for is quoted for the shell, except for the lines of
`cluster.prologue`, which are shell.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2

from axialcast.run.config import Config
from axialcast.run.jobs import Job
from axialcast.run.shipped import scripts

__all__ = ["LOGS", "find_template", "render"]

LOGS = "logs"
"""Folder in the output folder for scripts, what they say, and how they ended."""

CAPTURED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX")
"""Variables that say where programs are; no script holds any other."""

_SAFE = re.compile(r"[\w./+=@~-]+")
"""Letters of paths that batch systems take as they are, in the directives of a script."""


class Shell(str):
    """Text that is shell, and not to be quoted."""


def render(job: Job, config: Config, template: Path) -> str:
    """The batch script of a job.

    Args:
        job: which.
        config: the run that it is of; its file is `<output>/logs/config.yaml`.
        template: a Jinja2 template.

    Raises:
        ValueError: the template cannot be read, or makes no shell; names file and line.
    """
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        finalize=_quoted,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    try:
        text = environment.from_string(template.read_text("utf-8")).render(_known(job, config))
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"{template}:{error.lineno}: not a template: {error.message}") from None
    except (jinja2.TemplateError, TypeError) as error:
        raise ValueError(
            f"{template}: {error}; see the shipped one, `axialcast cp {config.cluster.kind}.sh`"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{template}: not a text file; expected a template in UTF-8") from None
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
    if checked.returncode:
        [first, *_] = checked.stderr.strip().splitlines() or ["?"]
        raise ValueError(f"{template}: makes a script that bash cannot read: {first}")
    return text


def find_template(config: Config, folder: Path = Path()) -> Path:
    """The template that a config names, or the shipped one of its kind.

    Raises:
        FileNotFoundError: there is no such file.
    """
    given = config.cluster.script
    if given is None:
        return scripts()[config.cluster.kind]
    for path in (Path(given), folder / given):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"cluster.script: no such file {given}; give a path from here or from the config's "
        f"folder, or copy one with `axialcast cp {config.cluster.kind}.sh`"
    )


def _known(job: Job, config: Config) -> dict[str, Any]:
    """What the placeholders stand for."""
    cluster, output = config.cluster, config.output.absolute()
    for path in (output, Path(sys.executable)):
        if not _SAFE.fullmatch(str(path)):
            raise ValueError(
                f"{path}: batch systems read blanks and signs such as % in a path as something "
                "else; set output to a folder without them"
            )
    seconds = cluster.walltime_seconds
    hours, minutes = divmod(-(-seconds // 60), 60)
    return {
        "account": cluster.account,
        "cores": cluster.cores,
        "directory": Path.cwd(),
        "environment": {name: os.environ[name] for name in CAPTURED if os.environ.get(name)},
        "gpus": job.gpus,
        "is_last": job.turn == job.turns,
        "memory_mib": round(1024 * cluster.memory_gib * job.processes),
        "name": job.name,
        "nodes": job.nodes,
        "output": output,
        "parts": job.parts,
        "pipeline": f"pipeline=[{','.join(map(_yaml, job.pipeline))}]",
        "processes": job.processes,
        "prologue": [Shell(line) for line in cluster.prologue],
        "python": sys.executable,
        "queue": cluster.queue,
        "save_seconds": cluster.save_seconds,
        "saves": [*job.saves, ".stages"],
        "stage": job.stage,
        "tasks": job.tasks,
        "title": re.sub(r"[^\w.-]", "_", f"{config.output.name}-{job.name}")[:60],
        "walltime": f"{hours:02d}:{minutes:02d}:00",
        "walltime_seconds": seconds,
    }


def _yaml(name: str) -> str:
    """A pipeline's name in a list of YAML."""
    return name if re.fullmatch(r"[\w-]+", name) else '"' + name.replace('"', '\\"') + '"'


def _quoted(value: Any) -> Any:
    return shlex.quote(str(value)) if isinstance(value, str | Path) and _is_data(value) else value


def _is_data(value: Any) -> bool:
    return not isinstance(value, Shell | jinja2.Undefined)
