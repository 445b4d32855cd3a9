"""What may be told: addresses without passwords, options without credentials, printable text.

Whatever is written to a file, printed or raised goes through here where it may hold a secret or
come from a store. What is unknown counts as a secret when it is told, and as decisive when runs are
compared, so that a mistake costs a question or an hour and neither a leak nor a wrong number.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["SHORTEST", "concealed", "few", "identity", "printable", "shown", "silenced"]

_LOGIN = re.compile(r"(?P<scheme>[\w+.-]*)://(?P<login>[^/?#\s'\"]*)@")
_QUERY = re.compile(r"(?P<place>://[^?\s'\"]*)\?(?P<query>[^\s'\"]*)")
_CONTAINERS = ("abfs", "abfss")
"""Schemes of abfs://container@account.dfs.core.windows.net: what stands before @ is a place."""

SHORTEST = 4
"""Letters of a value that is looked for in text; shorter ones occur by chance."""

MOST_TOLD = 12
"""Texts of a row that a line names."""

_INTERPOLATED = re.compile(r"(?:&?(?:[^:=&{}]*[:=])?\$\{[^{}]*\})+")
"""A login or a query of a config whose secrets stand in the environment: me:${oc.env:PASSWORD}."""

_PREFIX = re.compile(r"^(aws|google|azure_storage|azure)_")
_CREDENTIAL = re.compile(
    r"secret|token|pass|pwd|credential|auth|cookie|header|user|login|sign|session|profile|role|sas"
    r"|service_account|certificate|private|client_id|access_?key|account_?key|api_?key|(^|_)keys?($|_)"
    r"|^x-(amz|goog)-|^key-pair|^expires$|^policy$|^googleaccessid$"
    r"|^(sig|sv|ss|sr|srt|sp|se|st|spr|si|skoid|sktid|skt|ske|sks|skv)$"
)
"""Names of options and of parameters in a query that say who asks."""
_MANNERS = {
    *("anon", "skip_signature", "requester_pays", "request_payer", "use_ssl", "verify"),
    *("allow_http", "proxy_url", "http1_only", "http2_only", "user_agent", "connect_timeout"),
    *("read_timeout", "timeout", "pool_idle_timeout", "pool_max_idle_per_host", "max_retries"),
    *("retry_timeout", "backoff", "init_backoff", "max_backoff", "base", "retries"),
    *("asynchronous", "block_size", "default_block_size", "default_fill_cache", "cache_type"),
    *("use_listings_cache", "skip_instance_cache", "consistency", "max_concurrency"),
}
"""Options that say how data are asked for, so neither secret nor decisive."""
_PLACES = {
    *("endpoint", "endpoint_url", "endpoint_url_s3", "base_url", "region", "region_name"),
    *("default_region", "bucket", "bucket_name", "container_name", "account_name", "project"),
    *("virtual_hosted_style_request", "addressing_style", "fo", "org", "repo", "ref", "sha"),
    *("branch", "revision", "protocol", "target_protocol", "remote_protocol", "host", "port"),
}
"""Options that say where data are."""


def shown(text: str, *, login: str = "", query: str = "") -> str:
    """An address, or any text with addresses in it, without logins and without queries, which may
    be signatures.

    Those that a config takes from the environment stay as they stand there.

    Args:
        text: to be shown.
        login, query: what stands in their places.

    Example:
        >>> shown("https://me:word@host/a.zarr?sig=x")
        'https://host/a.zarr'
    """

    def without_login(found: re.Match[str]) -> str:
        is_place = found["scheme"] in _CONTAINERS and ":" not in found["login"]
        if is_place or _INTERPOLATED.fullmatch(found["login"]):
            return found[0]
        return f"{found['scheme']}://{login}{'@' if login else ''}"

    def without_query(found: re.Match[str]) -> str:
        if _INTERPOLATED.fullmatch(found["query"]):
            return found[0]
        return f"{found['place']}{'?' if query else ''}{query}"

    return _QUERY.sub(without_query, _LOGIN.sub(without_login, text))


def concealed(
    options: Mapping[str, Any],
    instead: Callable[[tuple[str, ...], Any], Any] = lambda place, value: "***",
) -> dict[str, Any]:
    """Options of a store with something else in the place of whatever may be a secret.

    Args:
        options: `storage_options`, mappings within them included.
        instead: told where a secret stands, name within name, and the secret; what to put there.

    Example:
        >>> concealed({"anon": False, "secret": "x", "client_kwargs": {"region_name": "eu"}})
        {'anon': False, 'secret': '***', 'client_kwargs': {'region_name': 'eu'}}
    """
    return _concealed(options, instead, (), False)


def _concealed(
    options: Mapping[str, Any],
    instead: Callable[[tuple[str, ...], Any], Any],
    above: tuple[str, ...],
    is_secret: bool,
) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, value in options.items():
        place, is_hidden = (*above, name), is_secret or _is_who(name)
        if isinstance(value, Mapping):
            told[name] = _concealed(value, instead, place, is_hidden)
        else:
            is_told = not is_secret and _is_harmless(name, value)
            told[name] = value if is_told else instead(place, value)
    return told


def _is_harmless(name: str, value: Any) -> bool:
    is_known = _plain(name) in _MANNERS | _PLACES and shown(str(value)) == str(value)
    return is_known or value is None or isinstance(value, bool)


def silenced(text: str, options: Mapping[str, Any]) -> str:
    """Text of another library about options, without values that say anything but a place.

    Example:
        >>> silenced('cannot parse "abcd" of h', {"anon": "abcd", "region": "h"})
        'cannot parse "***" of h'
    """
    for name, value in options.items():
        if isinstance(value, Mapping):
            text = silenced(text, value)
        elif len(str(value)) >= SHORTEST and _plain(name) not in _PLACES:
            text = text.replace(str(value), "***")
    return text


def identity(address: str, options: Mapping[str, Any]) -> str:
    """Text that differs where two stores do, and is the same where only secrets differ.

    It holds no secret: of what may be one, and decides which data are read, a checksum.

    Args:
        address: URL.
        options: `storage_options`.
    """
    queries = "&".join(found["query"] for found in _QUERY.finditer(address))
    asked = [pair for pair in queries.split("&") if pair and not _is_who(pair.partition("=")[0])]
    decisive = [asked, _decisive(options)]
    if not any(decisive):
        return shown(address)
    text = json.dumps(decisive, sort_keys=True, default=str)
    return f"{shown(address)} ({hashlib.sha256(text.encode()).hexdigest()[:16]})"


def _decisive(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that say which data are read; of addresses among them, what is no secret."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        if value is None or _plain(name) in _MANNERS or _is_who(name):
            continue
        if isinstance(value, Mapping):
            value = _decisive(value)
            if not value:
                continue
        found[name] = identity(value, {}) if isinstance(value, str) else value
    return found


def _is_who(name: str) -> bool:
    return bool(_CREDENTIAL.search(_plain(name)))


def _plain(name: str) -> str:
    return _PREFIX.sub("", name.lower())


def few(texts: Sequence[str]) -> str:
    """Texts in a row; of many, those in the middle are left out."""
    if len(texts) > MOST_TOLD:
        texts = [*texts[: MOST_TOLD - 2], "…", texts[-1]]
    return ", ".join(texts)


def printable(text: object) -> str:
    """Text of a store in one line, without characters that command a terminal or turn its order.

    Example:
        >>> printable("a\\x1b[31m\\nb")
        'a[31m b'
    """
    spaced = " ".join(str(text).split())
    # Controls, surrogates and marks of direction (U+202A to U+202E, U+2066 to U+2069, …).
    return "".join(
        letter
        for letter in spaced
        if unicodedata.category(letter) not in ("Cc", "Cs") and not _turns(letter)
    )


def _turns(letter: str) -> bool:
    return "\u202a" <= letter <= "\u202e" or "\u2066" <= letter <= "\u2069"
