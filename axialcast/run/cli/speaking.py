"""What a command says: lines, warnings, and errors of one line each."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer

from axialcast import parallel, stopping
from axialcast.disclosure import printable

__all__ = ["plain_errors", "say", "speaks"]


def say(line: str) -> None:
    """Prints a line with what a terminal may be told of it, indented as it is."""
    words = line.lstrip(" ")
    typer.echo(f"{' ' * (len(line) - len(words))}{printable(words)}")


@contextmanager
def plain_errors(traceback: bool) -> Iterator[None]:
    """Errors that a user can mend, one line each and exit status 2; signals give 128 + theirs."""
    warnings, logger = _Warnings(logging.WARNING), logging.getLogger("axialcast")
    logger.addHandler(warnings)
    try:
        yield
    except stopping.Stopped as stopped:
        if speaks():
            typer.echo(str(stopped), err=True)
        raise typer.Exit(stopped.status) from None
    except parallel.Ended as ended:
        if ended.line is not None:
            typer.echo(f"axialcast: error: {printable(ended.line)}", err=True)
        raise typer.Exit(ended.status) from None
    except KeyboardInterrupt:
        if speaks():
            typer.echo("axialcast: interrupted; the unfinished stage will run again", err=True)
        raise typer.Exit(130) from None
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        if traceback:
            raise
        # What another rank met is said by the first one, which was told.
        for line in _lines(error) if speaks() else []:
            typer.echo(f"axialcast: error: {printable(line)}", err=True)
        raise typer.Exit(2) from None
    finally:
        logger.removeHandler(warnings)


def speaks() -> bool:
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
