"""A checkpoint and its card to the hub, in one commit."""

from pathlib import Path
from typing import Any

from axialcast import hub
from axialcast.files import inventory
from axialcast.forecast import load_checkpoint
from axialcast.forecast.places import FILES
from axialcast.publishing.card import model_card

__all__ = ["push"]

CARD = "README.md"


def push(
    folder: str | Path,
    address: str,
    *,
    scores: Path | None = None,
    license: str | None = None,
    private: bool = False,
) -> str:
    """Publishes a checkpoint; its URL.

    What others fetch is whole: all files come in one commit, and weights of an ensemble that was
    larger go. A README.md in the folder is the card; otherwise one is made.

    Args:
        folder: of the checkpoint.
        address: `hf://org/name`; the repository is made if it is missing.
        scores, license: as `axialcast.publishing.model_card`.
        private: whether a repository that is made is for its owner alone.

    Raises:
        FileNotFoundError: there is no checkpoint, or no such revision.
        ConnectionError, PermissionError: the hub cannot be reached, or refuses.
        ValueError: the checkpoint is damaged; the address is none; huggingface_hub is missing.
    """
    folder = Path(folder)
    hub.repository(address)
    checkpoint = load_checkpoint(folder)
    files: dict[str, Any] = {
        path.relative_to(folder).as_posix(): path
        for pattern in FILES
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    }
    card = folder / CARD
    files[CARD] = (
        card
        if card.is_file()
        else model_card(checkpoint, address, scores=scores, license=license).encode()
    )
    return hub.published(
        address,
        files,
        replaces=[*FILES[:-1], f"{inventory.FOLDER}/*"],
        message="axialcast checkpoint",
        private=private,
    )
