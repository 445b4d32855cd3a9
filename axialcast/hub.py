"""Checkpoints on the Hugging Face hub: `hf://org/name`, or `hf://org/name@revision`.

huggingface_hub does all that concerns a network; it is imported when it is used. Its token is its
own affair (`hf auth login`, or HF_TOKEN), as is its cache (HF_HOME), which serves without a network
what was fetched once if HF_HUB_OFFLINE=1.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["SCHEME", "fetched", "is_on_hub", "published", "repository"]

SCHEME = "hf://"
_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?/?")


def is_on_hub(place: Any) -> bool:
    """Whether a place is one of the hub."""
    return isinstance(place, str) and place.startswith(SCHEME)


def repository(address: str) -> tuple[str, str | None]:
    """`org/name` and the revision of an address; None: the newest.

    Raises:
        ValueError: it is none.

    Example:
        >>> repository("hf://org/name@v1")
        ('org/name', 'v1')
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError(f"{address}: expected hf://org/name or hf://org/name@revision")
    return match[1], match[2]


def fetched(address: str, patterns: Sequence[str]) -> Path:
    """The folder of this machine that holds what is there: of the cache, not to be written to.

    Args:
        address: of a repository.
        patterns: of the files that are wanted; no others are fetched.

    Raises:
        FileNotFoundError: there is no such repository or revision, or it is not for everybody.
        ConnectionError: the hub cannot be reached, or does not answer as it should.
        ValueError: the address is none, or huggingface_hub is not installed.
    """
    hub, (name, revision) = _library(), repository(address)
    with _failing(address):
        return Path(
            hub.snapshot_download(
                name, revision=revision, allow_patterns=list(patterns), library_name="axialcast"
            )
        )


def published(
    address: str,
    files: Mapping[str, Path | bytes],
    *,
    replaces: Sequence[str],
    message: str,
    private: bool,
) -> str:
    """Makes files those of a repository, in one commit: all of them are there, or none; its URL.

    Args:
        address: of a repository, which is made if it is missing.
        files: by their names there.
        replaces: patterns of files that go if they are not among these.
        message: of the commit.
        private: whether a repository that is made is for its owner alone.

    Raises:
        as `fetched`; PermissionError: whoever is logged in may not write there.
    """
    hub, (name, revision) = _library(), repository(address)
    with _failing(address):
        api = hub.HfApi(library_name="axialcast")
        api.create_repo(name, private=private, exist_ok=True)
        there = [path for path in api.list_repo_files(name, revision=revision) if path not in files]
        gone = [path for path in there if any(Path(path).match(each) for each in replaces)]
        commit = api.create_commit(
            name,
            [
                *(
                    hub.CommitOperationAdd(path, file if isinstance(file, bytes) else str(file))
                    for path, file in files.items()
                ),
                *(hub.CommitOperationDelete(path) for path in gone),
            ],
            commit_message=message,
            revision=revision,
        )
    return str(commit.commit_url)


def _library() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise ValueError(
            "hf:// addresses need huggingface_hub: pip install 'axialcast[hub]'"
        ) from None
    return huggingface_hub


@contextmanager
def _failing(address: str) -> Iterator[None]:
    """Errors of the hub in one line."""
    from huggingface_hub import errors

    # Of the client that it uses, which is not the same in all its versions.
    unreached = getattr(errors, "HTTPError", ConnectionError)
    try:
        yield
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise FileNotFoundError(
            f"{address}: the hub has no such repository or revision, or not for whoever is logged "
            f"in ({type(error).__name__}); look at its name, or log in with: hf auth login"
        ) from None
    except errors.LocalTokenNotFoundError:
        raise PermissionError(f"{address}: nobody is logged in; run: hf auth login") from None
    except errors.HFValidationError as error:
        raise ValueError(f"{address}: {_line(error)}") from None
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (401, 403):
            raise PermissionError(
                f"{address}: the hub refuses ({status}); log in with: hf auth login, as somebody "
                "who may do so there"
            ) from None
        raise ConnectionError(f"{address}: the hub does not do so: {_line(error)}") from None
    except (errors.LocalEntryNotFoundError, unreached, OSError) as error:
        raise ConnectionError(f"{address}: the hub cannot be reached: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
