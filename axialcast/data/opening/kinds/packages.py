"""Optional packages that some kinds of stores need."""

import importlib.util
from pathlib import Path

__all__ = ["require"]


def require(package: str, path: Path, kind: str, *, extra: str | None = None) -> None:
    """Raises a ValueError that says what to install where a package is absent."""
    if importlib.util.find_spec(package) is None:
        raise ValueError(
            f"{path}: {kind} needs {package}, which is not installed; "
            f"pip install 'axialcast[{extra or package}]'"
        )
