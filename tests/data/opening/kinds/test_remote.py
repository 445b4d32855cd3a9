"""Stores behind a URL: what servers do wrong, and what options say, on servers of this machine."""

import http.server
import pickle
import shutil
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import xarray as xr
import zarr

from axialcast.data import open_analysis
from axialcast.data.opening.kinds import remote
from axialcast.data.opening.kinds.options import translate


class _Server(http.server.SimpleHTTPRequestHandler):
    """Serves the folder `root`; `asked` has the path and headers of every request."""

    root: str
    asked: list

    def __init__(self, *args):
        super().__init__(*args, directory=self.root)

    def log_message(self, *args):
        """Says nothing."""

    def end_headers(self):
        self.send_header("ETag", '"1"')  # as buckets do
        super().end_headers()

    def list_directory(self, path):
        self.send_error(404)

    def do_GET(self):
        self.asked.append((self.path, self.headers))
        if not self.refuses():
            super().do_GET()

    def refuses(self):
        """Whether it has given another answer than the file."""
        return False


@contextmanager
def served(folder, kind=_Server):
    """URL of a server of the folder, and the requests that it gets."""
    asked = []
    handler = type("Handler", (kind,), {"root": str(folder), "asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


def answering(status, *, times=10**6, where=""):
    """A server that gives this status the first `times` that such a path is asked for."""

    counts = Counter()

    class Failing(_Server):
        def refuses(self):
            if where not in self.path:
                return False
            counts[self.path] += 1
            if counts[self.path] <= times:
                self.send_error(status)
            return counts[self.path] <= times

    return Failing


@pytest.fixture
def folder(analysis, tmp_path):
    """A folder with the store b/p/a.zarr: of Zarr 2, with consolidated metadata."""
    analysis.chunk(time=7).to_zarr(tmp_path / "b" / "p" / "a.zarr", zarr_format=2)
    return tmp_path


PATH = "b/p/a.zarr"


def says(error):
    """The message of an error, which is one line."""
    assert "\n" not in str(error.value)
    return str(error.value)


# What servers do


def test_a_store_over_http(analysis, folder):
    with served(folder) as (url, _):
        xr.testing.assert_equal(open_analysis(f"{url}/{PATH}").load(), analysis)
        with pytest.raises(FileNotFoundError, match="no Zarr store there"):
            open_analysis(f"{url}/b.zarr")
        with pytest.raises(ValueError, match="only Zarr is read over the network"):
            open_analysis(f"{url}/a.nc")
    with pytest.raises(ConnectionError, match=r"no connection.*check the address and the network"):
        open_analysis(f"{url}/{PATH}")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_options(folder, status):
    with served(folder, answering(status)) as (url, asked):
        with pytest.raises(ConnectionError, match=f"{status}.*pass storage_options") as error:
            open_analysis(f"{url}/{PATH}")
        assert "<html" not in says(error)
        assert len(asked) == 1, "a refusal is not asked for again"


def test_a_server_that_fails_always_is_asked_a_few_times(folder):
    with served(folder, answering(500)) as (url, asked):
        with pytest.raises(ConnectionError, match=r"500.*check the address and the network") as e:
            open_analysis(f"{url}/{PATH}")
        assert len(asked) == 1 + remote.FIRST_RETRIES
    says(e)


@pytest.mark.parametrize("where", ["/zarr.json", "/.zmetadata", "/geopotential/1.0.0.0"])
def test_failures_that_pass_are_waited_for(analysis, folder, where):
    with served(folder, answering(503, times=2, where=where)) as (url, _):
        xr.testing.assert_equal(open_analysis(f"{url}/{PATH}").load(), analysis)


def test_a_server_that_fails_after_the_first_answer(folder):
    with (
        served(folder, answering(503, where="longitude")) as (url, _),
        pytest.raises(ConnectionError, match="503") as error,
    ):
        open_analysis(f"{url}/{PATH}", timeout_seconds=0.3)
    says(error)


def test_silence_is_given_up(folder):
    enough = threading.Event()

    class Silent(_Server):
        def refuses(self):
            return enough.wait(20)

    with served(folder, Silent) as (url, _):
        with pytest.raises(ConnectionError, match="no answer in time") as error:
            open_analysis(f"{url}/{PATH}", timeout_seconds=0.2)
        assert not enough.is_set()
        enough.set()
    says(error)


@pytest.mark.parametrize("what", ["/.zmetadata", "/geopotential/1.0.0.0"])
def test_an_answer_that_breaks_off_gives_no_numbers(folder, what):
    class Breaking(_Server):
        def refuses(self):
            if not self.path.endswith(what):
                return False
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"{")
            self.close_connection = True
            return True

    with served(folder, Breaking) as (url, _), pytest.raises(ConnectionError) as error:
        open_analysis(f"{url}/{PATH}", timeout_seconds=0.3).load()
    says(error)


def test_a_web_server_lists_nothing(analysis, tmp_path):
    analysis.to_zarr(tmp_path / "a.zarr", zarr_format=3, consolidated=False)
    with served(tmp_path) as (url, _), pytest.raises(ValueError, match="consolidated metadata"):
        open_analysis(f"{url}/a.zarr")


# Who asks


def test_headers_open_what_is_not_public(analysis, folder):
    class Private(_Server):
        def refuses(self):
            if refuse := self.headers["Authorization"] != "token":
                self.send_error(403)
            return refuse

    headers = {"Authorization": "token"}
    own = {"client_options": {"default_headers": headers}}
    with served(folder, Private) as (url, _):
        for options in ({"headers": headers}, {"client_kwargs": {"headers": headers}}, own):
            opened = open_analysis(f"{url}/{PATH}", storage_options=options)
            xr.testing.assert_equal(opened.load(), analysis)


def test_secrets_in_an_address_are_used_and_not_told(folder):
    with served(folder) as (url, asked):
        secret = f"{url.replace('//', '//me:pass%40word@')}/{PATH}?sig=hush"
        open_analysis(secret)
        assert {path.partition("?")[2] for path, _ in asked} == {"sig=hush"}
        assert {headers["Authorization"] for _, headers in asked} == {"Basic bWU6cGFzc0B3b3Jk"}
    with pytest.raises(ConnectionError) as error:
        open_analysis(secret)
    assert "hush" not in says(error)
    assert "pass%40word" not in says(error)


def _s3(url, **options):
    return f"s3://{PATH}", {"endpoint_url": url, **options}


def _gs(url, **options):
    return f"gs://{PATH}", {"endpoint_url": url, **options}


def _az(url, **options):
    return f"az://{PATH}", {"endpoint": url, "account_name": "name", **options}


@pytest.mark.parametrize("service", [_s3, _gs, _az])
def test_buckets_are_read_without_credentials(analysis, folder, service, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "not to be sent")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not to be sent")
    with served(folder) as (url, asked):
        address, options = service(url)
        opened = open_analysis(address, storage_options=options)
        xr.testing.assert_equal(opened.load(), analysis)
        assert {headers["Authorization"] for _, headers in asked} == {None}
        with pytest.raises(FileNotFoundError, match="no Zarr store there"):
            open_analysis(address.replace("a.zarr", "c.zarr"), storage_options=options)


def test_credentials_that_are_given_or_asked_for_sign_what_is_asked(folder, monkeypatch):
    with served(folder) as (url, asked):

        def sent(address, options):
            asked.clear()
            open_analysis(address, storage_options=options)
            return asked[-1][1]

        headers = sent(*_s3(url, key="me", secret="hush", requester_pays=True))
        assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=me/")
        assert headers["x-amz-request-payer"] == "requester"
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "you")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        assert "Credential=you/" in sent(*_s3(url, anon=False))["Authorization"]
        assert sent(*_gs(url, bearer_token="mine"))["Authorization"] == "Bearer mine"


def test_credentials_that_nobody_has_are_named(folder, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with served(folder) as (url, _):
        address, options = _s3(url, anon=False, metadata_endpoint=url)
        with pytest.raises(ConnectionError, match="the environment has no credentials") as error:
            open_analysis(address, storage_options=options)
    says(error)


def test_a_bucket_tells_its_region(folder, monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)

    class Elsewhere(_Server):
        def do_HEAD(self):
            self.send_response(403)
            self.send_header("x-amz-bucket-region", "eu-north-1")
            self.end_headers()

    def region(url, **config):
        remote._set_region(urlsplit(url), config, 1.0)
        return config.get("region")

    with served(folder, Elsewhere) as (url, _):
        monkeypatch.setattr(remote, "BUCKET", f"{url}/{{}}")
        assert region("s3://b/p") == "eu-north-1"
        assert region("s3://b/p", region="us-west-2") == "us-west-2"
        assert region("s3://b/p", endpoint=url) is None
    assert region("s3://b/p") is None, "who cannot be asked is not waited for"


def test_a_bucket_lists_what_no_consolidated_metadata_tell(analysis, tmp_path):
    analysis.to_zarr(tmp_path / PATH, zarr_format=3, consolidated=False)

    class Listing(_Server):
        def refuses(self):
            query = parse_qs(urlsplit(self.path).query)
            if "list-type" not in query:
                return False
            (prefix,) = query["prefix"]
            inside = sorted((tmp_path / "b" / prefix).iterdir())
            folders = "".join(
                f"<CommonPrefixes><Prefix>{prefix}{path.name}/</Prefix></CommonPrefixes>"
                for path in inside
                if path.is_dir()
            )
            body = f"<ListBucketResult>{folders}</ListBucketResult>".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return True

    with served(tmp_path, Listing) as (url, _):
        address, options = _s3(url)
        opened = open_analysis(address, storage_options=options)
        xr.testing.assert_equal(opened.load(), analysis)


def test_a_container_and_its_account_in_one_address(folder):
    options = translate("az", {})
    client = remote._client("az", "abfs://c@acc.dfs.core.windows.net/p/a.zarr", options, 1.0, 1)
    assert (client.config["container_name"], client.config["account_name"]) == ("c", "acc")
    assert client.prefix == "p/a.zarr"


# Options


@pytest.mark.parametrize(
    ("service", "given", "config"),
    [
        ("s3", {}, {"skip_signature": True}),
        ("s3", {"anon": True, "key": None}, {"skip_signature": True}),
        ("s3", {"anon": False}, {"skip_signature": False}),
        (
            "s3",
            {"key": 7, "secret": "b", "token": "c", "client_kwargs": {"region_name": "d"}},
            {
                "access_key_id": "7",
                "secret_access_key": "b",
                "session_token": "c",
                "region": "d",
                "skip_signature": False,
            },
        ),
        ("s3", {"aws_role_arn": "a"}, {"aws_role_arn": "a", "skip_signature": False}),
        ("gs", {"token": "anon"}, {"skip_signature": True}),
        ("gs", {"token": "google_default"}, {"skip_signature": False}),
        (
            "gs",
            {"token": {"type": "service_account"}},
            {"service_account_key": '{"type": "service_account"}', "skip_signature": False},
        ),
        ("az", {"sas_token": "a"}, {"sas_key": "a", "skip_signature": False}),
    ],
)
def test_the_words_of_fsspec_and_of_obstore(service, given, config):
    assert translate(service, given).config == config


def test_a_file_of_credentials(tmp_path):
    (tmp_path / "key.json").write_text("{}")
    path = str(tmp_path / "key.json")
    assert translate("gs", {"token": path}).config["application_credentials"] == path


def test_waiting_is_as_obstore_has_it():
    options = {
        "client_options": {"timeout": "1h"},
        "retry_config": {"max_retries": 3, "retry_timeout": 7},
    }
    retry = {"max_retries": 3, "retry_timeout": timedelta(seconds=7)}
    assert translate("http", options) == ({}, {"timeout": "1h"}, retry)
    remote._client("http", "http://h/a.zarr", translate("http", options), 1.0, 1)


@pytest.mark.parametrize(
    ("address", "options", "message"),
    [
        ("s3://b/a.zarr", {"profile": "me"}, "'profile' is not valid"),
        (
            "s3://b/a.zarr",
            {"config_kwargs": {"a": 1}},
            r"'config_kwargs\.a' is not valid.*options are anon, key,",
        ),
        ("s3://b/a.zarr", {"client_options": {"bogus": 1}}, "bogus"),
        ("s3://b/a.zarr", {"key": "a", "endpoint": "http://h"}, "SecretAccessKey"),
        ("s3://b/a.zarr", {"key": "a", "secret": "b", "anon": True}, "leave out anon"),
        ("s3://b/a.zarr", {"endpoint_url": "localhost:9000"}, "endpoint_url: expected an address"),
        ("s3://b/a.zarr", {"aws_endpoint": "here"}, "aws_endpoint: expected an address such as"),
        ("gs://b/a.zarr", {"endpoint_url": "http://"}, "expected an address such as https://"),
        ("s3://b/a.zarr", {"key": "a", "access_key_id": "b"}, "gives access_key_id again"),
        ("gs://b/a.zarr", {"token": "browser"}, "token: expected anon, google_default, or"),
        ("http://h/a.zarr", {"anon": True}, "anon: unknown for http.*options are headers"),
        ("az://c/a.zarr", {}, "Account must be specified"),
        ("nowhere://b/a.zarr", {}, "Protocol not known"),
        ("s3://b/a.zarr", {"retry_config": {"bogus": 1}}, r"retry_config\.bogus: expected"),
        ("gs://b/a.zarr", {"client_options": 7}, "client_options: expected a mapping"),
    ],
)
def test_options_that_cannot_be_used_are_named(address, options, message, monkeypatch):
    monkeypatch.setattr(remote, "_set_region", lambda *args: None)
    with pytest.raises(ValueError, match=message) as error:
        open_analysis(address, storage_options=options)
    assert says(error).startswith(f"{address}: cannot be opened (")


# Elsewhere


def test_a_remote_analysis_in_another_process(analysis, folder, tmp_path):
    program = "import pickle, sys; pickle.load(sys.stdin.buffer).load().to_netcdf(sys.argv[1])"
    with served(folder) as (url, asked):
        address, options = _s3(url, key="me", secret="hush")
        pickled = pickle.dumps(open_analysis(address, storage_options=options))
        assert b"hush" in pickled, "as the docstring says"
        asked.clear()
        command = [sys.executable, "-W", "error", "-c", program, str(tmp_path / "read.nc")]
        subprocess.run(command, input=pickled, check=True)
        assert all("Credential=me/" in headers["Authorization"] for _, headers in asked)
    xr.testing.assert_equal(xr.load_dataset(tmp_path / "read.nc"), analysis)


def test_other_schemes_are_those_of_fsspec(analysis, folder):
    store = zarr.storage.FsspecStore.from_url("memory://a.zarr")
    analysis.to_zarr(store, zarr_format=2, consolidated=True)
    xr.testing.assert_equal(open_analysis("memory://a.zarr").load(), analysis)
    with pytest.raises(FileNotFoundError, match="no Zarr store there"):
        open_analysis("memory://b.zarr")


def test_a_scheme_whose_package_is_absent_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ocifs", None)
    with pytest.raises(ValueError, match=r"Install ocifs.*pip install"):
        open_analysis("oci://datasets/a/b.zarr")


def test_a_zarr_that_is_lost_on_the_way(folder):
    with served(folder) as (url, _):
        opened = open_analysis(f"{url}/{PATH}")
        shutil.rmtree(folder / PATH / "geopotential")
        with pytest.raises(ValueError, match=r"geopotential/0\.0\.0\.0 is missing"):
            opened.load()
