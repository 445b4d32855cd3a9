"""Outputs behind a URL: held there, made in a working folder here, and copied as they come."""

import hashlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from axialcast import hub, parallel
from axialcast.disclosure import shown
from axialcast.files.atomic import aside, sweep
from axialcast.files.holding import FolderHeldError, holder

if TYPE_CHECKING:
    from axialcast.run.config import Config

__all__ = ["SCRATCH", "at_url", "is_url", "mirrored", "refuse_url", "require_reachable", "seen"]

OPTIONS = "output_storage_options"
SCRATCH = "AXIALCAST_SCRATCH"
"""Variable of the environment: the folder for working folders, else one below ~/.cache."""
SCHEMES = ("s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss")
PUSH_SECONDS = 30.0
"""From the end of one copying to the beginning of the next while a stage runs."""
SEEN_SECONDS = 10.0
"""Within which hosts that share a folder see a new file in it."""


def is_url(output: Any) -> bool:
    """Whether an output is more than a path."""
    return isinstance(output, str) and "://" in output


def at_url(output: str) -> tuple[str | None, str]:
    """The URL that outputs go to, and their folder on this machine.

    Args:
        output: URL; of `file://` there is a folder alone.

    Raises:
        ValueError: it cannot be written to.
    """
    parts = urlsplit(output)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise ValueError(f"output: got {output}, expected file:///path of a folder")
        return None, unquote(parts.path)
    address, path = shown(output), parts.path.strip("/")
    if parts.scheme not in SCHEMES or parts.query or parts.fragment:
        raise ValueError(
            f"output: got {address}, expected a folder or a URL of s3, gs or az such as "
            "s3://bucket/run"
        )
    if parts.password is not None or ("@" in parts.netloc and not parts.scheme.startswith("abfs")):
        raise ValueError(
            f"output: {address} was given with a login; pass it as output_storage_options, or in "
            "the environment"
        )
    if not parts.netloc or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(
            f"output: got {address}, expected a bucket and a name within it, such as "
            f"{parts.scheme}://bucket/run"
        )
    scratch = os.environ.get(SCRATCH)
    above = Path(scratch) if scratch else Path("~/.cache/axialcast/outputs").expanduser()
    name = hashlib.sha256(f"{parts.scheme}://{parts.netloc}/{path}".encode()).hexdigest()[:16]
    return f"{parts.scheme}://{parts.netloc}/{path}", str(above / name / Path(path).name)


def refuse_url(config: "Config", why: str) -> None:
    """Raises where the outputs go to a URL, for what needs a folder that all see.

    Args:
        config: the run.
        why: it does.
    """
    if config.url is not None:
        raise ValueError(
            f"output {config.address}: {why}; set output to a folder that all nodes share"
        )


def require_reachable(config: "Config") -> None:
    """Raises where the URL that outputs go to does not answer; changes nothing there.

    Raises:
        ConnectionError: the server cannot be reached, or refuses.
        ValueError: an option is wrong.
    """
    if config.url is None:
        return
    import obstore

    from axialcast.data.opening.kinds.remote import failing, writable

    with failing(config.address):
        next(iter(obstore.list(writable(config.url, config.output_storage_options))), None)


@contextmanager
def seen(
    place: str,
    overrides: Sequence[str] = (),
    *,
    whole: bool,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Path]:
    """A folder or file as it is, or one here that looks like what is behind a URL.

    Args:
        place: path, or URL of what lies in a run's output. Of other URLs whoever is given the
            path says that they are none.
        overrides: of output_storage_options, `KEY=VALUE`; the rest is from the environment.
        whole: with the contents of all files; otherwise of those that `status` reads.
        options: of output_storage_options, before the overrides.

    Raises:
        FileNotFoundError: nothing is there.
        ConnectionError: the server cannot be reached, or refuses.
        ValueError: an override is of something else.
    """
    options = {**(options or {}), **_options(overrides)}
    if hub.is_on_hub(place):
        from axialcast.forecast.places import FILES

        yield hub.fetched(place, FILES)
        return
    is_ours = is_url(place) and urlsplit(place).scheme in ("file", *SCHEMES)
    url, folder = at_url(place) if is_ours else (None, place)
    if url is None:
        yield Path(folder)
        return
    held = holder(Path(folder))
    if not whole and held is not None and held.is_alive:
        yield Path(folder)  # it is ahead of what is there
        return
    from axialcast.data.opening.kinds.remote import failing, writable
    from axialcast.files.outline import outline
    from axialcast.run.stamps import READ_BYTES

    with TemporaryDirectory(prefix="axialcast-") as above:
        here = Path(above) / Path(folder).name
        with failing(shown(place)):
            num = outline(writable(url, options), here, None if whole else READ_BYTES)
        if not num:
            raise FileNotFoundError(f"{shown(place)}: there is nothing")
        yield here


def _options(overrides: Sequence[str]) -> dict[str, Any]:
    if not overrides:
        return {}
    from axialcast.run.reading import read_values

    values, _ = read_values(None, overrides)
    options = values.pop(OPTIONS, {})
    if values or not isinstance(options, dict):
        raise ValueError(
            f"command line: {next(iter(values), OPTIONS)}: expected {OPTIONS}.KEY=VALUE"
        )
    return options


@contextmanager
def mirrored(config: "Config") -> Iterator[None]:
    """Holds what is behind the config's URL, makes its working folder that, and copies it back.

    Copies while the context lasts and once when it ends, however it does. Does nothing of a config
    whose output is a folder. Of several processes the leader does so, and the others, which enter
    it as well, wait for it.

    Raises:
        FolderHeldError: another run holds it.
        ConnectionError: the server cannot be reached, or refuses.
        ValueError: an option is wrong, or processes do not see the working folder.
    """
    _require_shared(config)
    if config.url is None:
        yield
        return
    if config.cluster.workers and config.cluster.kind != "local":
        refuse_url(config, f"workers of cluster.kind {config.cluster.kind} write there themselves")
    if not parallel.launch().is_leader:
        parallel.told(None)
        yield
        parallel.told(None)
        return
    from axialcast.data.opening.kinds.remote import failing, writable
    from axialcast.files.leasing import lease
    from axialcast.files.mirroring import Mirror
    from axialcast.run.stamps import STAMPS

    address = config.address
    store = writable(config.url, config.output_storage_options)
    with ExitStack() as held:
        with failing(address):
            mine = held.enter_context(lease(store, address))
            record = config.output.parent / "record.json"
            mirror = Mirror(config.output, store, record, STAMPS, mine.require)
            mirror.pull()
            mirror.begin()
        parallel.told(None)
        with _pushing(mirror, mine):
            yield
        with _all_copied(mirror, address):
            mine.require()
            mirror.push(settled=True)
        parallel.told(None)


@contextmanager
def _all_copied(mirror: Any, address: str) -> Iterator[None]:
    """Says where what was made is, if it cannot be copied.

    Raises:
        ConnectionError: instead of any error of the store.
    """
    from axialcast.data.opening.kinds.remote import failing

    try:
        with failing(address):
            yield
    except ConnectionError as error:
        raise ConnectionError(
            f"{error}; not all was copied there, but is in {mirror.folder}, and the same command "
            "on this machine copies the rest"
        ) from None


def _require_shared(config: "Config") -> None:
    """Raises where processes have working folders of their own: each would see another run."""
    if not parallel.is_joined():
        return
    urls, folder = parallel.gathered(config.url), config.output.parent
    for rank, url in enumerate(urls):
        if url != urls[0]:
            raise ValueError(
                f"output: rank {rank} was given another value than rank 0; start all by the same "
                "command with the same config"
            )
    if config.url is None:
        return
    is_leader = parallel.launch().is_leader
    sign = folder / parallel.told(aside(folder / "seen").name)
    try:
        if is_leader:
            folder.mkdir(parents=True, exist_ok=True)
            sweep(folder)
            sign.touch()
        parallel.told(None)
        end = time.monotonic() + SEEN_SECONDS
        while not (is_seen := sign.exists()) and time.monotonic() < end:
            time.sleep(0.1)
        blind = [rank for rank, seen in enumerate(parallel.gathered(is_seen)) if not seen]
    finally:
        if is_leader:
            sign.unlink(missing_ok=True)
    if blind:
        raise ValueError(
            f"output {config.address}: rank {blind[0]} does not see the working folder of rank 0, "
            f"{folder}; set {SCRATCH} for all to a folder that they share, or output to one"
        )


@contextmanager
def _pushing(mirror: Any, mine: Any) -> Iterator[None]:
    """Pushes now and then while in the context, and once more if an error ends it.

    Raises:
        FolderHeldError: another run took what is behind the URL, which ends this one.
    """
    done = threading.Event()

    def push() -> None:
        while not done.wait(PUSH_SECONDS):
            try:
                mine.require()
                mirror.push()
            except FolderHeldError:
                if callable(signal.getsignal(signal.SIGTERM)) and not done.is_set():
                    os.kill(os.getpid(), signal.SIGTERM)
                return
            except Exception:  # the next time, or the last one, tells
                continue

    pushing = threading.Thread(target=push, daemon=True, name="axialcast-push")
    pushing.start()
    try:
        yield
    except BaseException:
        done.set()
        pushing.join()
        try:
            with _all_copied(mirror, mine.address):
                mine.require()
                mirror.push()
        except FolderHeldError:
            raise
        except Exception as error:  # the one that ends the run is told
            logging.getLogger("axialcast").warning("%s", error)
        raise
    finally:
        done.set()
        pushing.join()
