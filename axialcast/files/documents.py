"""JSON documents that we keep: read with the keys they must have, or refused by name."""

import json
from pathlib import Path
from typing import Any

__all__ = ["read_document"]


def read_document(path: Path, *keys: str) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        path: the file.
        keys: that it must have; what they hold may be None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no JSON object, or lacks a key: names the file, and what is wrong.
    """
    try:
        known = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):  # of text that is no UTF-8, too
        raise ValueError(f"{path}: damaged, it is no JSON") from None
    if not isinstance(known, dict):
        raise ValueError(f"{path}: damaged, it holds no JSON object")
    if absent := [key for key in keys if key not in known]:
        raise ValueError(f"{path}: damaged, it lacks {', '.join(absent)}")
    return known
