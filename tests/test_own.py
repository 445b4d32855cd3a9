"""A user's file is what it was when it was read, and what it does wrong is said with its line."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import pytest

from axialcast.own import OwnFile


def file_of(tmp_path: Path, text: str, name: str = "mine.py") -> OwnFile:
    path = tmp_path / name
    path.write_text(dedent(text))
    return OwnFile.read(path)


def error_of(file: OwnFile, *args: object, **options: object) -> str:
    with pytest.raises(ValueError) as caught:
        file.call("build", *args, **options)
    return str(caught.value).removeprefix(str(file.path))


def test_what_was_read_is_what_runs(tmp_path: Path) -> None:
    file = file_of(tmp_path, "def build(a, *, b=2): return a + b")
    first = file.sha256
    file.path.write_text("def build(a): return 0")
    assert file.call("build", 3) == 5
    assert file.call("build", 3, b=7) == 10
    other = OwnFile.read(file.path)
    assert other.sha256 != first
    assert other.call("build", 3) == 0


def test_a_file_runs_once_and_reading_runs_nothing(tmp_path: Path) -> None:
    text = f"""
        from pathlib import Path
        ran = Path({str(tmp_path / "ran")!r})
        ran.write_text("xx" if ran.exists() else "x")
        def build(): return 1
        """
    file = file_of(tmp_path, text)
    assert not (tmp_path / "ran").exists()
    for _ in range(2):
        assert OwnFile.read(file.path).call("build") == 1
    assert (tmp_path / "ran").read_text() == "x"


def test_threads_find_all_that_a_file_defines(tmp_path: Path) -> None:
    file = file_of(tmp_path, "import time\ntime.sleep(0.2)\ndef build(): return 3")
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(file.call, "build") for _ in range(4)]
        assert [call.result() for call in calls] == [3] * 4


def test_dataclasses_of_a_file_know_their_module(tmp_path: Path) -> None:
    text = """
        from __future__ import annotations
        from dataclasses import dataclass

        @dataclass
        class Pair:
            a: int
        def build(): return Pair(3).a
        """
    assert file_of(tmp_path, text).call("build") == 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def build(:", ":1: not valid Python: "),
        ("x = 1", ": defines no build(…); add `def build(…): …`"),
        ("build = 3", ": defines no build(…)"),
        ("import json\njson.loads('[')\n", ":2: JSONDecodeError: "),
        (
            "def build(a):\n    return a.nothing",
            ":2: AttributeError: 'int' object has no attribute",
        ),
        ("def build(a):\n    raise ValueError('no such width')", ":2: no such width"),
        ("def build(): ...", ": build(), given 1 arguments: too many positional arguments"),
        ("def build(a, *, c): ...", ": build(a, *, c), given 1 arguments: missing a "),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, line: str) -> None:
    found = error_of(file_of(tmp_path, text), 5)
    assert found[: len(line)] == line


def test_an_option_that_it_does_not_take(tmp_path: Path) -> None:
    file = file_of(tmp_path, "def build(a, *, dim: int = 2): ...")
    assert error_of(file, 1, width=3) == (
        ": build(a, *, dim: int = 2), given 1 arguments, width=: got an unexpected keyword "
        "argument 'width'"
    )


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such file; expected a Python program"):
        OwnFile.read(tmp_path / "nowhere.py")
    path = tmp_path / "bytes.py"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not a Python program in UTF-8"):
        OwnFile.read(path)
