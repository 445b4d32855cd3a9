"""What a shell may complete: names of shipped files, files of one's own, and keys of a config.

A completion that finds nothing leaves the word to the shell, which completes paths.
"""

from pathlib import Path

from axialcast.run import shipped

__all__ = ["config_names", "keys", "shipped_names"]


def config_names(incomplete: str) -> list[str]:
    """Shipped configs, and YAML files here, that begin so."""
    here = (path.name for path in sorted(Path().glob("*.y*ml")))
    return [name for name in [*shipped.configs(), *here] if name.startswith(incomplete)]


def shipped_names(incomplete: str) -> list[str]:
    """What `axialcast cp` copies that begins so."""
    known = shipped.pipelines() | shipped.configs() | shipped.scripts() | shipped.examples()
    return [name for name in known if name.startswith(incomplete)]


def keys(incomplete: str) -> list[str]:
    """Keys of a config that begin so, a section at a time: `train.` before what is in it."""
    from axialcast.run.config import Config
    from axialcast.run.errors import places

    known = [*places(Config, in_lists=False)]
    within = incomplete.count(".")
    sections = {key.rpartition(".")[0] for key in known}
    return [
        f"{key}." if key in sections else f"{key}="
        for key in known
        if key.startswith(incomplete) and key.count(".") == within
    ]
