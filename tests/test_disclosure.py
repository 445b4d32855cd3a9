"""What may be told: no password, signature or credential, and no command to a terminal."""

import doctest

import pytest

from axialcast import disclosure
from axialcast.disclosure import concealed, identity, printable, shown

CANARY = "hush-7f3a"


def test_examples_are_true():
    results = doctest.testmod(disclosure)
    assert results.attempted >= 3
    assert results.failed == 0


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (f"https://me:{CANARY}@host:81/a.zarr", "https://host:81/a.zarr"),
        (f"https://{CANARY}@host/a.zarr", "https://host/a.zarr"),
        (f"https://me:{CANARY}%40x@host/a@b.zarr", "https://host/a@b.zarr"),
        (f"https://host/a.zarr?X-Amz-Signature={CANARY}", "https://host/a.zarr"),
        (f"https://host/a.zarr?x=1&sig={CANARY}#part", "https://host/a.zarr"),
        (f"simplecache::https://me:{CANARY}@host/a", "simplecache::https://host/a"),
        (f"zip://a::https://u:{CANARY}@h/x.zip?sig={CANARY}", "zip://a::https://h/x.zip"),
        (f"no 'https://me:{CANARY}@h/a?t={CANARY}' (404)", "no 'https://h/a' (404)"),
        ("abfs://box@account.dfs.core.windows.net/a", "abfs://box@account.dfs.core.windows.net/a"),
        (f"abfs://me:{CANARY}@account/a", "abfs://account/a"),
        ("s3://bucket/a@b.zarr", "s3://bucket/a@b.zarr"),
        ("folder/a?.nc", "folder/a?.nc"),
        ("https://me:${oc.env:P}@h/a?s=${oc.env:S}", "https://me:${oc.env:P}@h/a?s=${oc.env:S}"),
        ("https://${oc.env:P}@h/a?${oc.env:S}", "https://${oc.env:P}@h/a?${oc.env:S}"),
        (f"https://me:{CANARY}${{oc.env:P}}@h/a?s={CANARY}&t=${{oc.env:S}}", "https://h/a"),
    ],
)
def test_addresses_are_shown_without_secrets(address, told):
    assert shown(address) == told


def test_what_is_not_known_to_be_harmless_is_concealed():
    options = {
        "anon": False,
        "key": CANARY,
        "secret": CANARY,
        "AWS_Secret_Access_Key": CANARY,
        "new_word_of_some_library": CANARY,
        "pin": 7919,
        "aws_region": "eu-west-3",
        "endpoint_url": f"https://me:{CANARY}@host",
        "client_kwargs": {"endpoint_url": "https://host", "headers": {"a": {"region": CANARY}}},
        "list": [CANARY],
        "retry_config": {"max_retries": 3},
        "nothing": {},
    }
    told = concealed(options)
    assert CANARY not in str(told)
    assert told["pin"] == told["list"] == "***"
    assert told["retry_config"] == {"max_retries": 3}
    assert told["client_kwargs"]["endpoint_url"] == "https://host"
    assert (told["aws_region"], told["anon"], told["nothing"]) == ("eu-west-3", False, {})
    assert list(told) == list(options)
    places = []
    concealed(options, lambda place, value: places.append(place))
    assert ("client_kwargs", "headers", "a", "region") in places


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("https://me:a@h/x", {}), ("https://me:b@h/x", {})),
        (("https://h/x?sig=a&se=1", {}), ("https://h/x?sig=b&se=2", {})),
        (("https://h/x?X-Amz-Date=1&X-Amz-Signature=a", {}), ("https://h/x", {})),
        (("s3://b/x", {"key": "a", "secret": "b"}), ("s3://b/x", {"profile": "c"})),
        (("s3://b/x", {"anon": True}), ("s3://b/x", {"anon": False, "token": "t"})),
        (("s3://b/x", {"retry_config": {"max_retries": 3}}), ("s3://b/x", {})),
        (("https://h/x", {"headers": {"Authorization": "a"}}), ("https://h/x", {})),
        (
            ("s3://b/x", {"endpoint_url": "https://a:b@h"}),
            ("s3://b/x", {"endpoint_url": "https://a:c@h"}),
        ),
    ],
)
def test_secrets_alone_tell_no_stores_apart(one, other):
    assert identity(*one) == identity(*other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("https://h/x?version=1&sig=a", {}), ("https://h/x?version=2&sig=a", {})),
        (("s3://b/x", {"endpoint_url": "https://h"}), ("s3://b/x", {"endpoint_url": "https://g"})),
        (
            ("s3://b/x", {"client_kwargs": {"endpoint_url": "https://h"}}),
            ("s3://b/x", {"client_kwargs": {"endpoint_url": "https://g"}}),
        ),
        (("reference://", {"fo": "a.json"}), ("reference://", {"fo": "b.json"})),
        (("github://x", {"new_word": 1}), ("github://x", {"new_word": 2})),
        (("abfs://a@acc.dfs.net/x", {}), ("abfs://b@acc.dfs.net/x", {})),
        (("az://c/x", {"account_name": "a"}), ("az://c/x", {"account_name": "b"})),
    ],
)
def test_what_decides_which_data_are_read_tells_stores_apart(one, other):
    assert identity(*one) != identity(*other)


def test_an_identity_holds_no_secret():
    options = {"token": CANARY, "word": CANARY, "endpoint": f"https://a:{CANARY}@h"}
    assert CANARY not in identity(f"https://me:{CANARY}@h/x?y={CANARY}&sig={CANARY}", options)
    assert identity("https://h/x", {}) == "https://h/x"


def test_text_of_a_store_commands_no_terminal():
    assert printable("a\x1b[31m\x07b\x9b2J\r\nc\u202ed\u2066\ud800e\x00") == "a[31mb2J cde"
    assert printable("geopotential 🌍 عربي 500 hPa") == "geopotential 🌍 عربي 500 hPa"
