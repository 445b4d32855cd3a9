"""Options of a store behind a URL: those of fsspec in the words of obstore, its own as they are."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from axialcast.disclosure import shown

__all__ = ["SERVICES", "SPELLINGS", "Options", "translate"]

SERVICES = {
    **dict.fromkeys(("http", "https"), "http"),
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
    **dict.fromkeys(("az", "azure", "abfs", "abfss"), "az"),
}
"""The service that each scheme of URL is of."""

HEADERS = "default_headers"
SPELLINGS: dict[str, dict[str, str]] = {
    "http": {"headers": HEADERS, "client_kwargs.headers": HEADERS},
    "s3": {
        "anon": "skip_signature",
        "key": "access_key_id",
        "username": "access_key_id",
        "secret": "secret_access_key",
        "password": "secret_access_key",
        "token": "session_token",
        "endpoint_url": "endpoint",
        "client_kwargs.endpoint_url": "endpoint",
        "client_kwargs.region_name": "region",
        "requester_pays": "request_payer",
    },
    "gs": {"anon": "skip_signature", "token": "token", "endpoint_url": "base_url"},
    "az": {"anon": "skip_signature", "sas_token": "sas_key"},
}
"""What fsspec's options, those of a mapping with a dot, are called by obstore."""
ENDPOINTS = ("endpoint", "endpoint_url", "endpoint_url_s3", "base_url")
"""How options that name a server end; what is no address makes obstore panic."""
_ADDRESS = re.compile(r"https?://[^\s/?#]+")
OWN = ("client_options", "retry_config")
"""Options of obstore that are mappings themselves."""

RETRY = {"max_retries", "retry_timeout", "backoff"}
"""What `retry_config` may hold; obstore itself passes over other names in silence."""

PREFIXES = ("aws_", "google_", "azure_storage_", "azure_")
CREDENTIALS = {
    *("access_key_id", "secret_access_key", "session_token", "role_arn", "token"),
    *("service_account", "service_account_path", "service_account_key", "bearer_token"),
    *("application_credentials", "account_key", "access_key", "sas_key", "client_id"),
    *("client_secret", "use_azure_cli", "container_credentials_relative_uri"),
}
"""Options of obstore, without their prefix, that say who asks."""


class Options(NamedTuple):
    """Arguments of an obstore store.

    Args:
        config: of its service.
        client: its `client_options`.
        retry: its `retry_config`.
    """

    config: dict[str, Any]
    client: dict[str, Any]
    retry: dict[str, Any]


def translate(service: str, given: Mapping[str, Any]) -> Options:
    """Options in the words of obstore; anonymous where they say nothing of credentials.

    Args:
        service: one of SERVICES.
        given: options of fsspec's file system of the service, of obstore, or of both.

    Raises:
        ValueError: one is given twice, contradicts another, or cannot be translated. Names that
            obstore lacks are refused by obstore.
    """
    options = Options({}, _own(given, "client_options"), _waits(_own(given, "retry_config")))
    others = {name: value for name, value in given.items() if name not in OWN}
    for name, value in _flat(others, SPELLINGS[service]):
        key = SPELLINGS[service].get(name, name)
        if key == "token" and service == "gs":
            key, value = _google(value)
        if key == HEADERS and not isinstance(value, Mapping):
            raise ValueError(f"storage_options: {name}: expected NAME: VALUE pairs")
        if key.lower().endswith(ENDPOINTS) and not _ADDRESS.match(str(value)):
            raise ValueError(
                f"storage_options: {name}: expected an address such as https://host:9000, "
                f"got {shown(str(value))!r}"
            )
        where = options.client if key == HEADERS else options.config
        if key in where:
            raise ValueError(f"storage_options: {name}: gives {key} again; leave one out")
        where[key] = value if isinstance(value, bool | Mapping) else str(value)
    if service != "http":
        _sign(options.config)
    elif options.config:
        raise ValueError(f"storage_options: {', '.join(options.config)}: unknown for http")
    return options


def _own(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An option of obstore that is a mapping itself; empty where it is not given."""
    value = given.get(name) or {}
    if not isinstance(value, Mapping):
        raise ValueError(f"storage_options: {name}: expected a mapping, got {type(value).__name__}")
    return dict(value)


def _waits(retry: dict[str, Any]) -> dict[str, Any]:
    """A `retry_config` whose timeout may have been given in seconds."""
    if unknown := sorted(retry.keys() - RETRY):
        raise ValueError(
            f"storage_options: retry_config.{unknown[0]}: expected {', '.join(sorted(RETRY))}"
        )
    if isinstance(seconds := retry.get("retry_timeout"), int | float):
        retry["retry_timeout"] = timedelta(seconds=seconds)
    return retry


def _flat(
    given: Mapping[str, Any], spellings: Mapping[str, str], above: str = ""
) -> Iterator[tuple[str, Any]]:
    """Options that are set, by dotted name."""
    for name, value in given.items():
        name = f"{above}{name}"
        if isinstance(value, Mapping) and name not in spellings:
            yield from _flat(value, spellings, f"{name}.")
        elif value is not None:
            yield name, value


def _sign(config: dict[str, Any]) -> None:
    """Sets whether requests are signed: not, unless credentials are given or asked for."""
    plain = {name: name.lower() for name in config}
    for prefix in PREFIXES:
        plain = {name: text.removeprefix(prefix) for name, text in plain.items()}
    signing = [name for name, text in plain.items() if text in CREDENTIALS]
    anonymous = config.setdefault("skip_signature", not signing)
    if signing and str(anonymous).lower() == "true":
        raise ValueError(
            f"storage_options: {', '.join(signing)}: credentials, and anonymous access as well; "
            "leave out anon, or the credentials"
        )


def _google(token: Any) -> tuple[str, Any]:
    """gcsfs's `token` as an option of obstore and its value."""
    if isinstance(token, Mapping):
        return "service_account_key", json.dumps(dict(token))
    if token == "anon":
        return "skip_signature", True
    if token in ("google_default", "cloud"):
        return "skip_signature", False
    if Path(str(token)).is_file():
        return "application_credentials", token
    raise ValueError(
        "storage_options: token: expected anon, google_default, or an existing JSON file of "
        "credentials; an access token is given as bearer_token"
    )
