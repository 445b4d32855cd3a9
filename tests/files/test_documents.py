from pathlib import Path

import pytest

from axialcast.files.documents import read_document


def test_an_object_with_its_keys_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": 1, "b": null, "ä": [2]}', "utf-8")
    assert read_document(path, "a", "b") == {"a": 1, "b": None, "ä": [2]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "damaged, it is no JSON"),
        (b'{"a": ', "damaged, it is no JSON"),
        (b"\xff\xfe", "damaged, it is no JSON"),
        (b"[" * 100_000, "damaged, it is no JSON"),
        (b"[1]", "damaged, it holds no JSON object"),
        (b"null", "damaged, it holds no JSON object"),
        (b'{"b": 1}', "damaged, it lacks a, c"),
    ],
)
def test_what_is_none_is_refused_by_name(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=problem) as caught:
        read_document(path, "a", "b", "c")
    assert str(caught.value) == f"{path}: {problem}"
    with pytest.raises(FileNotFoundError):
        read_document(tmp_path / "y.json")
