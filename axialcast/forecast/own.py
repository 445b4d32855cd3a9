"""Checkpoints whose network a user's file builds: it runs only where whoever loads them names it.

`model.json` keeps its name, its SHA-256 and its options, and `network.py` beside it a copy, which
nothing runs unless that is the file named.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from axialcast.own import OwnFile

__all__ = ["COPY", "described", "keywords", "named"]

COPY = "network.py"


def described(network: Mapping[str, Any], file: OwnFile | None) -> dict[str, Any]:
    """Keywords of a network as a description keeps them: without paths of this machine."""
    if file is None:
        return dict(network)
    kept = {name: value for name, value in network.items() if name != "path"}
    return {**kept, "file": file.path.name, "sha256": file.sha256}


def keywords(network: Mapping[str, Any], file: OwnFile | None) -> dict[str, Any]:
    """Keywords that the network is built with.

    Args:
        network: as it was described, or as it was trained with.
        file: that builds it; None: no file was named.

    Raises:
        ValueError: one had to be.
    """
    if network.get("kind") != "file":
        return dict(network)
    if file is None:
        name = network["file"]
        raise ValueError(
            f"its network is built by {name}, a program of whoever trained it, which runs only if "
            f"you name it: load(…, network={name!r}), or model: {{kind: file, path: {name}}} in a "
            f"config; {COPY} beside its weights is a copy to look at"
        )
    kept = {name: value for name, value in network.items() if name != "file"}
    return {**kept, "path": file.path, "sha256": file.sha256}


def named(checkpoint: Path, network: Mapping[str, Any], path: str | Path | None) -> OwnFile | None:
    """The file that a user names for a checkpoint; None: none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not the file that the network was trained with, or there is none such.
    """
    if path is None:
        return None
    if network.get("kind") != "file":
        raise ValueError(
            f"{checkpoint}: its network is {network.get('kind', 'axial')}, built by no file of "
            f"yours; leave {path} out, or train with it"
        )
    file = OwnFile.read(path)
    if file.sha256 != network["sha256"]:
        raise ValueError(
            f"{path}: is not the file that {checkpoint} was trained with: its SHA-256 begins with "
            f"{file.sha256[:12]}, expected {network['sha256'][:12]}; name the copy "
            f"{checkpoint / COPY}, or train again"
        )
    return file
