"""The checkpoint that a training starts from: where it is, what is taken over, what is kept."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axialcast.disclosure import shown
from axialcast.forecast import Checkpoint, load_checkpoint
from axialcast.forecast.checkpoint import DESCRIPTION
from axialcast.hub import is_on_hub
from axialcast.model import ForecastNetwork
from axialcast.run.config import Config
from axialcast.run.model_section import AxialConfig
from axialcast.run.network import settings_of
from axialcast.run.stamps import checkpoint_in, content_of
from axialcast.run.store_states import checksum_of
from axialcast.run.urls import SCHEMES, is_url, seen
from axialcast.times.steps import step_text
from axialcast.transfer import WIDTHS, TakenOver, refuse_unlike, taken_over

__all__ = ["Parent"]


@dataclass(frozen=True)
class Parent:
    """A trained network that another one starts from.

    Args:
        checkpoint: of it.
        provenance: what a checkpoint of the other one keeps of it, JSON-ready: where it is, a
            fingerprint, what it was trained on, and its own provenance.
        member: of several networks, which one starts from it.
    """

    checkpoint: Checkpoint
    provenance: dict[str, Any] = field(default_factory=dict)
    member: int = 0

    def alone(self, member: int) -> "Parent":
        """What one of several networks starts from: the parent's are dealt out in turn."""
        number = member % len(self.checkpoint.members)
        return replace(self, checkpoint=self.checkpoint.alone(number), member=member)

    def settled(self, config: Config) -> Config:
        """A config in which what it leaves to `auto` is as it was for the parent."""
        model, known = config.model, self.checkpoint.network
        given = {name: getattr(model, name) for name in model.model_fields_set}
        if model.departures == "auto" and not known.get("departures"):
            given["departures"] = False
        if isinstance(model, AxialConfig) and model.size is not None:
            given = {name: known[name] for name in WIDTHS if name in known} | given
            for name in ("depth", "local"):
                given.setdefault(name, known.get(name, getattr(model, name)))
        return config.model_copy(update={"model": type(model).model_validate(given)})

    @classmethod
    def of(cls, config: Config) -> "Parent | None":
        """What `train.start_from` names; None: nothing.

        Raises:
            FileNotFoundError: there is no checkpoint.
            ValueError: it is damaged, or of another version.
            ConnectionError: the server of a URL cannot be reached.
        """
        place = config.train.start_from
        if place is None:
            return None
        with _folder(config) as folder:
            try:
                checkpoint = load_checkpoint(folder)
            except (FileNotFoundError, ValueError) as error:
                told = str(error).replace(str(folder), shown(place))
                raise type(error)(f"train.start_from: {told}") from None
            fingerprint = checksum_of(content_of(folder))
        return cls(
            checkpoint,
            {
                "checkpoint": config.parent_address,
                "fingerprint": fingerprint,
                "grid": str(checkpoint.grid),
                "step": step_text(checkpoint.step),
                "provenance": dict(checkpoint.provenance),
            },
        )

    def refuse_unlike(self, config: Config) -> None:
        """Raises where a config's network has nothing in common with the parent's.

        Raises:
            ValueError: by the key of `model` that is in the way.
        """
        try:
            refuse_unlike(self.checkpoint.network, settings_of(config))
        except ValueError as error:
            raise ValueError(f"train.start_from: {error}") from None

    def start(self, network: ForecastNetwork, untrained: Checkpoint) -> TakenOver:
        """Gives a network what it takes over; tells what that is.

        Args:
            network: before training.
            untrained: what a checkpoint of it would be.

        Raises:
            ValueError: nothing fits.
        """
        try:
            found = taken_over(self.checkpoint, untrained)
        except ValueError as error:
            raise ValueError(f"train.start_from: {error}") from None
        network.load_state_dict(dict(found.weights))
        return found


@contextmanager
def _folder(config: Config) -> Iterator[Path]:
    """The checkpoint's folder on this machine, whether it or its run's is named."""
    place = str(config.train.start_from)
    if not is_url(place):
        yield checkpoint_in(Path(place))
        return
    if is_on_hub(place):
        with seen(place, whole=True) as folder:
            yield folder
        return
    if urlsplit(place).scheme not in ("file", *SCHEMES):
        raise ValueError(
            f"train.start_from: got {shown(place)}, expected a folder, a URL of s3, gs or az, or "
            "hf://org/name"
        )
    options = config.output_storage_options if config.url is not None else {}
    # Of a whole run there may be far more than its checkpoint.
    for name in (f"{place.rstrip('/')}/checkpoint", place):
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(seen(name, whole=True, options=options))
            except FileNotFoundError:
                continue
            if (folder / DESCRIPTION).is_file():
                yield folder
                return
    raise FileNotFoundError(f"train.start_from: {shown(place)}: no checkpoint there")
