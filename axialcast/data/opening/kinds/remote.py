"""Zarr stores behind a URL: http, s3, gs and Azure by obstore, other schemes by fsspec.

A store pickles with what it was opened with, credentials among it: such a pickle is a secret.
Processes that are to read it are spawned: obstore's threads do not outlive a fork.
"""

import os
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import obstore.exceptions
from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store
from zarr.abc.store import Store
from zarr.storage import FsspecStore, ObjectStore

from axialcast.data.arrays.failures import reason
from axialcast.data.arrays.fetching import refuse_fork
from axialcast.data.opening.kinds.options import SERVICES, SPELLINGS, Options, translate
from axialcast.disclosure import shown, silenced

__all__ = ["can_list", "failing", "open_url", "unreadable", "writable"]

CONNECT_SECONDS = 10.0
"""Longest wait for a connection."""
RETRIES = 10
"""Times that a request is repeated after failures that pass: no connection, silence, status 5xx."""
FIRST_RETRIES = 2
"""The same for the first request, so that a wrong address is soon told."""
ASKING = ("169.254.169.254", "/latest/api/token", "computeMetadata")
"""What tells in an error that credentials were asked for, of the machine, for want of others."""
WRITING_SECONDS = 60.0
"""How long a request of one who writes waits for an answer, and is repeated."""
ENDPOINTS = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
"""Variables of the environment that name a server of S3."""
NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
"""What S3 and Google, and what Azure answers of a bucket that is not there."""
BUCKET = "https://{}.s3.amazonaws.com"
"""Where the region of a bucket of S3 is asked for."""


class RemoteStore(ObjectStore[Any]):
    """A store that tells no signature where its name is logged or raised."""

    def __str__(self) -> str:
        return shown(super().__str__())


def open_url(url: str, options: Mapping[str, Any], timeout_seconds: float) -> Store:
    """The store at a URL, read-only, after a first answer of its server.

    Args:
        url: of schemes in SERVICES, or of one that fsspec knows, which takes its own options.
        options: of obstore or fsspec; without credentials access is anonymous, and `anon: false`
            takes those of the environment.
        timeout_seconds: how long a request waits for an answer, and how long it is repeated. An
            answer that has begun may take ten times as long. Not for schemes of fsspec.

    Raises:
        ConnectionError: the server cannot be reached, or refuses.
        ValueError: the scheme or an option is unknown.
    """
    service = SERVICES.get(urlsplit(url).scheme)
    if service is None:
        return _by_fsspec(url, options)
    try:
        given = translate(service, options)
        if service == "s3":
            _set_region(urlsplit(url), given.config, timeout_seconds)
        first = _client(service, url, given, timeout_seconds, FIRST_RETRIES)
        store = RemoteStore(_client(service, url, given, timeout_seconds, RETRIES), read_only=True)
    except (ValueError, TypeError, obstore.exceptions.BaseError) as error:
        why = silenced(reason(error), options)
        raise ValueError(
            f"{shown(url)}: cannot be opened ({why}); storage_options are "
            f"{', '.join(SPELLINGS[service])}, or those of obstore for {service}"
        ) from None
    refuse_fork()
    try:
        first.get("zarr.json")
    except FileNotFoundError:
        pass  # a store of Zarr 2, or none: reading it tells
    except obstore.exceptions.BaseError as error:
        raise unreadable(url, error) from None
    return store


def writable(url: str, options: Mapping[str, Any]) -> Any:
    """An obstore store to write to, whose prefix is the URL's path.

    Args:
        url: of s3, gs or az.
        options: as for `open_url`; credentials are those of the environment where there are none.

    Raises:
        ValueError: an option is unknown, or wrong.
    """
    service = SERVICES[urlsplit(url).scheme]
    names = {name.lower() for name in options}
    signed = {} if names & {"anon", "skip_signature"} else {"anon": False}
    try:
        given = translate(service, {**signed, **options})
        if service == "s3":
            _set_region(urlsplit(url), given.config, WRITING_SECONDS)
        return _client(service, url, given, WRITING_SECONDS, RETRIES)
    except (ValueError, TypeError, obstore.exceptions.BaseError) as error:
        why = silenced(reason(error), options).replace("storage_options: ", "")
        raise ValueError(
            f"output_storage_options: {why}; they are {', '.join(SPELLINGS[service])}, or those of "
            f"obstore for {service}"
        ) from None


@contextmanager
def failing(address: str) -> Iterator[None]:
    """Turns what a store that is written to says into one line.

    Raises:
        ConnectionError: instead of any error of obstore, such as of a bucket that is not there.
    """
    try:
        yield
    except (obstore.exceptions.BaseError, FileNotFoundError) as error:
        if any(text in str(error) for text in NO_BUCKET):
            bucket = urlsplit(address).netloc.partition("@")[0]
            raise ConnectionError(
                f"output {address}: there is no bucket {bucket}; make it, set another output, or "
                "set the endpoint_url of its server in output_storage_options"
            ) from None
        remedy = "check the address, the network, and that output_storage_options or the "
        remedy += "environment hold credentials that may read, write, list and delete there"
        raise ConnectionError(
            f"output {address}: cannot be used ({shown(reason(error))}); {remedy}"
        ) from None


def _client(service: str, url: str, given: Options, seconds: float, retries: int) -> Any:
    """An obstore store that waits and repeats no longer than so many seconds."""
    parts = urlsplit(url)
    endpoints = [given.config.get(name, "") for name in ("endpoint", "base_url")]
    endpoints += [os.environ.get(name, "") for name in ENDPOINTS if service == "s3"]
    client = {
        "allow_http": any(str(text).startswith("http://") for text in (url, *endpoints)),
        "connect_timeout": timedelta(seconds=min(CONNECT_SECONDS, seconds)),
        "read_timeout": timedelta(seconds=seconds),
        "timeout": timedelta(seconds=10 * seconds),
        **given.client,
    }
    retry = {"max_retries": retries, "retry_timeout": timedelta(seconds=seconds), **given.retry}
    arguments: Any = {"client_options": client, "retry_config": retry}
    if service == "http":
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            basic = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
            client["default_headers"] = basic | client.get("default_headers", {})
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return HTTPStore(address, **arguments)
    kind: Any = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[service]
    config = dict(given.config)
    bucket = parts.netloc
    if "@" in bucket:  # abfs://container@account.dfs.core.windows.net
        bucket, _, host = bucket.partition("@")
        config.setdefault("account_name", host.partition(".")[0])
    return kind(bucket, prefix=parts.path.strip("/"), config=config, **arguments)


def _set_region(url: SplitResult, config: dict[str, Any], seconds: float) -> None:
    """Adds the region of a bucket of S3, where neither options nor environment tell it."""
    told = {name.lower().removeprefix("aws_") for name in config}
    told |= {name.lower().removeprefix("aws_") for name in os.environ if name.startswith("AWS_")}
    if told & {"region", "default_region", "endpoint", "endpoint_url", "endpoint_url_s3"}:
        return
    asked = urllib.request.Request(BUCKET.format(url.netloc), method="HEAD")
    try:
        with urllib.request.urlopen(asked, timeout=min(CONNECT_SECONDS, seconds)) as answer:
            headers = answer.headers
    except urllib.error.HTTPError as error:  # a bucket that refuses tells its region, too
        headers = error.headers
    except OSError:
        return
    if region := headers.get("x-amz-bucket-region"):
        config["region"] = region


def _by_fsspec(url: str, options: Mapping[str, Any]) -> Store:
    try:
        return FsspecStore.from_url(url, storage_options=dict(options), read_only=True)
    except (ImportError, ValueError, TypeError) as error:
        remedy = (
            f"; pip install what it names, or use a URL of {', '.join(SERVICES)}"
            if isinstance(error, ImportError)
            else ""
        )
        why = silenced(reason(error), options)
        raise ValueError(f"{shown(url)}: cannot be opened ({why}){remedy}") from None
    except OSError as error:
        raise unreadable(url, error) from None


def can_list(store: Store) -> bool:
    """Whether a store can tell which arrays it has, beside those of consolidated metadata."""
    return not (isinstance(store, ObjectStore) and isinstance(store.store, HTTPStore))


def unreadable(name: str, error: Exception) -> ConnectionError:
    """What to raise in the place of any error of a store; with its reason and the remedy."""
    refusals = (
        obstore.exceptions.PermissionDeniedError,
        obstore.exceptions.UnauthenticatedError,
        PermissionError,
    )
    if any(text in str(error) for text in ASKING):
        remedy = "the environment has no credentials: set them, or pass them in storage_options"
    elif isinstance(error, refusals):
        remedy = "if it is not public, pass storage_options, such as anon: false for s3"
    else:
        remedy = "check the address and the network"
    return ConnectionError(f"{shown(name)}: cannot be read ({reason(error)}); {remedy}")
