"""The `axialcast` command: run, submit, ls, cp, check, inspect, status.

Only light modules are imported at the top, so that help appears at once.
"""

import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from axialcast import parallel, stopping
from axialcast.disclosure import printable, shown
from axialcast.run import shipped

if TYPE_CHECKING:
    from axialcast.run.config import Config

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would double the time to show help
    help="Weather forecasting with axial attention, driven by one YAML file.",
)

ConfigArgument = Annotated[
    str, typer.Argument(metavar="CONFIG", help="YAML file, or the name of a shipped one.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Keys to change, e.g. train.batch_size=8."),
]
Options = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[output_storage_options.KEY=VALUE]...",
        help="Of a URL, what the run was given; the rest is from the environment.",
        show_default=False,
    ),
]
Traceback = Annotated[
    bool, typer.Option("--traceback", help="Show where in the program an error arose.")
]


@app.command()
def run(
    config: ConfigArgument,
    overrides: Overrides = None,
    force: Annotated[
        bool, typer.Option("--force", help="Start every stage over, also what would go on.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every byte of the outputs before skipping.")
    ] = False,
    part: Annotated[
        str | None,
        typer.Option(metavar="N/M", help="Make the n-th of m parts, beside those who make others."),
    ] = None,
    traceback: Traceback = False,
) -> None:
    """Run the pipelines of a config in order; what is up to date is skipped, the rest goes on."""
    with _plain_errors(traceback), stopping.raised(), parallel.joined() as me:
        start = time.monotonic()
        path, settings = _load(config, overrides)
        from axialcast.run.stages import follow_stages, run_part, run_stages
        from axialcast.run.urls import mirrored, refuse_url

        if part is not None:
            refuse_url(settings, "parts are made beside one another")
        if part is not None:
            run_part(settings, part, folder=path.parent, say=_say)
            return

        def before() -> None:
            from axialcast.run.preflight import check_run

            preflight = check_run(settings, folder=path.parent)
            if preflight:
                preflight.refuse_small_memory()

        if me.is_leader:
            _require_writable(settings.output)
        with mirrored(settings):
            if not me.is_leader:
                follow_stages(settings, folder=path.parent)
                return
            run_stages(
                settings,
                folder=path.parent,
                force=force,
                verify=verify,
                before=before,
                say=_say,
            )
        _say(f"done in {time.monotonic() - start:.0f} s: {settings.address}")


@app.command()
def submit(
    config: ConfigArgument,
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the batch scripts and submit nothing.")
    ] = False,
    traceback: Traceback = False,
) -> None:
    """Submit the pipelines of a config to Slurm or PBS, one job a stage; `cluster:` says how."""
    with _plain_errors(traceback):
        path, settings = _load(config, overrides)
        from axialcast.run import submission

        if dry_run:
            for text in submission.dry_run(settings, path.parent):
                typer.echo(text)
            return

        def before() -> None:
            from axialcast.run.preflight import check_run

            # Of this machine, neither the device nor the memory says anything of a node's.
            elsewhere = settings.model_copy(update={"device": "cpu"})
            preflight = check_run(elsewhere, folder=path.parent, scan=True)
            if preflight:
                preflight.refuse_full_disk()

        _require_writable(settings.output)
        submission.submit(settings, folder=path.parent, before=before, say=_say)


@app.command("ls")
def list_shipped() -> None:
    """List the shipped pipelines, configs, examples and batch scripts."""
    kinds = {
        "pipelines": shipped.pipelines(),
        "configs": shipped.configs(),
        "examples, to begin your own with": shipped.examples(),
        "batch scripts": {path.name: path for path in shipped.scripts().values()},
    }
    for title, files in kinds.items():
        typer.echo(f"{title}:")
        for name, path in files.items():
            typer.echo(f"  {name:<20} {shipped.first_line(path)}".rstrip())


@app.command()
def cp(
    name: Annotated[str, typer.Argument(help="A shipped file, as `ls` names it.")],
    dest: Annotated[Path, typer.Argument(help="File or folder to copy it to.")] = Path(),
    traceback: Traceback = False,
) -> None:
    """Copy a shipped pipeline, config, example or batch script, to change it."""
    with _plain_errors(traceback):
        known = shipped.pipelines() | shipped.configs() | shipped.scripts() | shipped.examples()
        known |= {path.name: path for path in known.values()}
        if name not in known:
            raise ValueError(
                f"{name}: no such pipeline, config, example or script"
                f"{shipped.nearest(name, known)}; `axialcast ls` lists them"
            )
        target = dest / known[name].name if dest.is_dir() else dest
        if target.exists():
            raise FileExistsError(f"{target}: exists already; give another name")
        shutil.copyfile(known[name], target)
        _say(f"copied to {target}")


@app.command()
def check(
    config: ConfigArgument,
    overrides: Overrides = None,
    memory: Annotated[
        str | None,
        typer.Option(help="Memory of a device, e.g. 80GB: which batch would fit; else the GPU's."),
    ] = None,
    bandwidth: Annotated[
        str, typer.Option(help="Bytes a second from one process to another, e.g. 25GB.")
    ] = "10GB",
    timed: Annotated[
        bool, typer.Option("--timed", help="Time a few training steps on this machine.")
    ] = False,
    traceback: Traceback = False,
) -> None:
    """Check a config, its paths and its data before anything runs; say what the run will cost."""
    with _plain_errors(traceback):
        path, settings = _load(config, overrides)
        _require_writable(settings.output)
        from axialcast.run.facts import facts
        from axialcast.run.preflight import check_run
        from axialcast.run.urls import require_reachable

        require_reachable(settings)

        preflight = check_run(settings, folder=path.parent, scan=True)
        for line in [*facts(preflight), *preflight.costs()] if preflight else []:
            _say(line)
        if preflight:
            from axialcast.run.fit import fit

            for line in fit(preflight, memory, bandwidth, timed=timed):
                _say(line)
            preflight.refuse_small_memory()
            preflight.refuse_full_disk()
        typer.echo("all checks passed")


@app.command()
def tune(
    config: ConfigArgument,
    overrides: Overrides = None,
    minutes: Annotated[
        float, typer.Option(min=0.01, help="How long to search; the next search goes on.")
    ] = 20.0,
    traceback: Traceback = False,
) -> None:
    """Search for better settings by data.validate alone; writes the best into the output folder."""
    with _plain_errors(traceback), stopping.raised():
        path, settings = _load(config, overrides)
        if parallel.launch().world_size > 1:
            raise ValueError("axialcast tune: one process searches; start it once")
        _require_writable(settings.output)
        from axialcast.run.tuning import Tuning

        Tuning.of(path, overrides or [], _say).run(minutes)


@app.command()
def inspect(
    path: Annotated[
        str, typer.Argument(help="Checkpoint, forecast or analysis, or a run; of a URL, a copy.")
    ],
    options: Options = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Compare every byte with its checksum; status 1 if damaged."),
    ] = False,
    traceback: Traceback = False,
) -> None:
    """Say what a checkpoint or a store holds, or whether it is whole."""
    with _plain_errors(traceback):
        from axialcast.run import inspection
        from axialcast.run.urls import seen

        with seen(path, options or [], whole=True) as here:
            name = shown(path)

            def say(line: str) -> None:
                _say(line.replace(str(here), name))

            if not verify:
                for line in inspection.describe(here):
                    say(line)
                return
            broken, what = inspection.verify(here)
            for part in broken:
                say(str(part))
        if broken:
            _say(
                f"{name}: {len(broken)} damaged or missing among {what}; "
                "axialcast run --verify makes them again"
            )
            raise typer.Exit(1)
        _say(f"{name}: whole, {what}")


@app.command()
def status(
    output: Annotated[str, typer.Argument(help="The output folder of a run, or its URL.")],
    options: Options = None,
    traceback: Traceback = False,
) -> None:
    """Say which stages of a run are done, running, stopped or damaged, and what its jobs do."""
    with _plain_errors(traceback):
        from axialcast.run.status import status
        from axialcast.run.urls import seen

        with seen(output, options or [], whole=False) as here:
            for line in status(here):
                _say(line.replace(str(here), shown(output)))


def main() -> None:
    """Entry point of the `axialcast` command."""
    try:
        app()
    except SystemExit as end:
        parallel.leave(end.code if isinstance(end.code, int) else 0)
        raise
    except BaseException:
        if parallel.was_joined():
            sys.excepthook(*sys.exc_info())
            parallel.leave(1)
        raise


def _say(line: str) -> None:
    """Prints a line with what a terminal may be told of it, indented as it is."""
    words = line.lstrip(" ")
    typer.echo(f"{' ' * (len(line) - len(words))}{printable(words)}")


def _load(config: str, overrides: list[str] | None) -> "tuple[Path, Config]":
    path = shipped.find_config(config)
    from axialcast.run.config import load_config

    return path, load_config(path, overrides or [])


def _require_writable(folder: Path) -> None:
    """Raises where the folder cannot be made or written; leaves nothing there."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(p))
    if not there.is_dir():
        what = "a file" if there.exists() else "a link to nothing"
        raise NotADirectoryError(f"output {folder}: {there} is {what}; set output= to a folder")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise PermissionError(
            f"output {folder}: cannot write in {there} ({error.strerror}); set output= elsewhere"
        ) from None


@contextmanager
def _plain_errors(traceback: bool) -> Iterator[None]:
    """Errors that a user can mend, one line each and exit status 2; signals give 128 + theirs."""
    warnings, logger = _Warnings(logging.WARNING), logging.getLogger("axialcast")
    logger.addHandler(warnings)
    try:
        yield
    except stopping.Stopped as stopped:
        if _speaks():
            typer.echo(str(stopped), err=True)
        raise typer.Exit(stopped.status) from None
    except parallel.Ended as ended:
        if ended.line is not None:
            typer.echo(f"axialcast: error: {printable(ended.line)}", err=True)
        raise typer.Exit(ended.status) from None
    except KeyboardInterrupt:
        if _speaks():
            typer.echo("axialcast: interrupted; the unfinished stage will run again", err=True)
        raise typer.Exit(130) from None
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        if traceback:
            raise
        # What another rank met is said by the first one, which was told.
        for line in _lines(error) if _speaks() else []:
            typer.echo(f"axialcast: error: {printable(line)}", err=True)
        raise typer.Exit(2) from None
    finally:
        logger.removeHandler(warnings)


def _speaks() -> bool:
    """Whether this process is alone, or the one of several that prints."""
    with suppress(ValueError):
        return parallel.launch().is_leader
    return True


class _Warnings(logging.Handler):
    """What the library warns of by its log, one line each, and each once."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = printable(record.getMessage())
        if line not in self._said:
            self._said.add(line)
            typer.echo(f"axialcast: warning: {line}", err=True)


def _lines(error: Exception) -> list[str]:
    if "axialcast.run.config" in sys.modules:
        from axialcast.run.config import ConfigError

        if isinstance(error, ConfigError):
            return error.lines
    if isinstance(error, FileNotFoundError) and error.filename is None and error.errno:
        return ["the working directory is no more; go to another"]
    if isinstance(error, OSError) and error.strerror:
        return [f"{error.filename}: {error.strerror}" if error.filename else error.strerror]
    return [str(error)]
