"""Where a checkpoint may be: a folder, an object store, the Hugging Face hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from axialcast import hub
from axialcast.disclosure import shown
from axialcast.forecast.checkpoint import DESCRIPTION
from axialcast.forecast.own import COPY

__all__ = ["FILES", "checkpoint_at"]

FILES = ("weights*.safetensors", DESCRIPTION, COPY, ".inventory/*")
"""What a checkpoint's folder consists of."""


@contextmanager
def checkpoint_at(place: str | Path) -> Iterator[Path]:
    """The folder of a checkpoint on this machine, as long as the context lasts.

    Args:
        place: a folder; a URL of s3, gs or az, with what the environment says of their servers;
            `hf://org/name`, or that with `@revision`.

    Raises:
        FileNotFoundError: nothing is there.
        ConnectionError: the server cannot be reached, or refuses.
        ValueError: the address is wrong.
    """
    url = str(place)
    if "://" not in url:
        yield Path(place)
        return
    with TemporaryDirectory(prefix="axialcast-") as above:
        here = hub.fetched(url, FILES) if hub.is_on_hub(url) else _copied(url, Path(above))
        try:
            yield here
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(str(error).replace(str(here), shown(url))) from None


def _copied(url: str, above: Path) -> Path:
    """A copy of what an object store has, in a folder."""
    from axialcast.data.opening.kinds.options import SERVICES
    from axialcast.data.opening.kinds.remote import failing, writable
    from axialcast.files.outline import outline

    if SERVICES.get(urlsplit(url).scheme, "http") == "http":  # whose servers list nothing
        raise ValueError(
            f"{shown(url)}: expected a folder, a URL of s3, gs or az, or hf://org/name"
        )
    here = above / "checkpoint"
    try:
        with failing(shown(url)):
            num = outline(writable(url, {}), here, None)
    except (ConnectionError, ValueError) as error:
        said = str(error).removeprefix("output ").removeprefix("output_storage_options: ")
        raise type(error)(said.replace("output_storage_options or the ", "the ")) from None
    if not num:
        raise FileNotFoundError(f"{shown(url)}: there is nothing")
    return here
