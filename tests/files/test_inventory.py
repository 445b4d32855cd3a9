"""Inventories: what a folder consists of, what is damaged, and taking away what is ours alone."""

import hashlib
import itertools
import json
import os
import shutil
from pathlib import Path

import pytest

from axialcast.files import inventory
from axialcast.files.clearing import clear, replace
from axialcast.files.inventory import FOLDER, problems


def fill(folder: Path, **files: str) -> None:
    """Writes files, `__` for a slash, and their inventory."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    inventory.write(folder, inventory.take(folder))


def content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path / "store", a="1", b__c__d="23", b__e="4")
    return tmp_path / "store"


def test_take_knows_size_and_checksum_of_what_is_not_hidden(folder: Path) -> None:
    (folder / ".hidden").write_text("x")
    (folder / "b" / ".partial").mkdir()
    (folder / "b" / ".partial" / "f").write_text("x")
    expected = {
        name: (len(text), hashlib.sha256(text.encode()).hexdigest())
        for name, text in {"a": "1", "b/c/d": "23", "b/e": "4"}.items()
    }
    assert inventory.take(folder) == expected
    assert inventory.take(folder, ["a", "nothing*"]) == {"a": expected["a"]}
    assert inventory.read(folder) == expected


def test_inventories_of_equal_folders_are_equal(folder: Path, tmp_path: Path) -> None:
    fill(tmp_path / "other", b__e="4", b__c__d="23", a="1")
    assert content(folder) == content(tmp_path / "other")
    assert inventory.fingerprint(inventory.read(folder)) == inventory.fingerprint(
        dict(reversed(inventory.read(folder).items()))
    )
    fill(tmp_path / "other", a="2")
    assert inventory.fingerprint(inventory.read(folder)) != inventory.fingerprint(
        inventory.read(tmp_path / "other")
    )


def test_several_inventories_are_read_together_or_by_name(folder: Path) -> None:
    files = inventory.read(folder)
    inventory.write(folder, {"a": files["a"]}, "one", {"seed": 3})
    inventory.write(folder, {"b/e": files["b/e"]}, "two")
    (folder / FOLDER / "files.json").unlink()
    assert inventory.read(folder) == {"a": files["a"], "b/e": files["b/e"]}
    assert inventory.read(folder, "two") == {"b/e": files["b/e"]}
    assert inventory.about(folder, "one") == {"seed": 3}
    assert inventory.about(folder, "two") == {}
    with pytest.raises(FileNotFoundError, match=r"three\.json: missing"):
        inventory.read(folder, "three")


def test_problems_name_what_is_missing_shorter_or_changed(folder: Path) -> None:
    assert problems(folder, read_all=True) == []
    (folder / "a").unlink()
    (folder / "b/c/d").write_text("2")
    (folder / "b/e").write_text("5")
    quick = [
        f"{folder}/a: missing",
        f"{folder}/b/c/d: has 1 bytes instead of 2",
    ]
    assert list(map(str, problems(folder))) == quick
    changed = f"{folder}/b/e: its bytes changed (SHA-256 differs)"
    assert list(map(str, problems(folder, read_all=True))) == [*quick, changed]


def test_every_flipped_byte_of_an_inventory_is_found(folder: Path) -> None:
    path = folder / FOLDER / "files.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1
        path.write_bytes(data)
        found = problems(folder, read_all=True)
        if found == []:  # white space between the parts
            assert json.loads(data) == json.loads(whole)
        else:
            assert [str(p) for p in found] == [f"{path}: damaged, its checksum differs"]
    path.write_bytes(whole[:-40])
    with pytest.raises(ValueError, match="damaged"):
        inventory.read(folder)
    path.unlink()
    assert "what the folder consists of is not known" in str(problems(folder)[0])
    with pytest.raises(FileNotFoundError, match=r"has no \.inventory"):
        inventory.read(folder)


def test_clear_spares_what_inventories_do_not_name(folder: Path) -> None:
    (folder / "b/c/mine.txt").write_text("mine")
    (folder / "empty").mkdir()
    clear(folder)
    assert content(folder) == {"b/c/mine.txt": "mine"}
    assert (folder / "empty").is_dir()
    assert not (folder / "a").exists()
    # A mark stays, so that what comes next may be put here.
    assert list((folder / FOLDER).iterdir()) == []
    clear(folder)
    assert content(folder) == {"b/c/mine.txt": "mine"}


def test_clear_removes_a_folder_that_is_all_ours(folder: Path) -> None:
    clear(folder)
    assert not folder.exists()
    clear(folder)


def test_inventories_cannot_name_what_lies_elsewhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for name in ("../mine.txt", str(tmp_path / "mine.txt"), "b/../../mine.txt"):
        inventory.write(folder, {name: (4, "")})
        with pytest.raises(ValueError, match=r"names .*mine\.txt, which is not in"):
            clear(folder)
        assert (tmp_path / "mine.txt").exists()
        assert (folder / "a").exists()


@pytest.mark.parametrize("title", ["axialcast nature run", "training store of axialcast", "mine"])
def test_stores_without_inventory_are_known_by_their_title(tmp_path: Path, title: str) -> None:
    """As version 0.1.0 made them."""
    store = tmp_path / "store"
    for name in ("time/zarr.json", "time/c/0", "states/zarr.json", "states/c/0/0", "mine/a.txt"):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text("{}")
    (store / "zarr.json").write_text(json.dumps({"attributes": {"title": title}}))
    if title == "mine":
        with pytest.raises(ValueError, match=r"folder with mine, states, time \.\.\. that axial"):
            clear(store)
        assert len(content(store)) == 6
    else:
        clear(store)
        assert content(store) == {"mine/a.txt": "{}"}


def test_a_store_whose_inventories_are_damaged_is_cleared(tmp_path: Path) -> None:
    title = json.dumps({"attributes": {"title": "axialcast forecast"}})
    fill(tmp_path / "store", **{"time__zarr.json": "{}", "time__c__0": "", "zarr.json": title})
    shutil.copytree(tmp_path / "store", tmp_path / "other")
    (tmp_path / "store" / FOLDER / "files.json").write_text("{")
    (tmp_path / "other" / FOLDER / "more.json").write_text("{")
    clear(tmp_path / "store")
    clear(tmp_path / "other")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_what_is_not_ours_is_refused_and_left_alone(tmp_path: Path, folder: Path, what: str):
    target = tmp_path / "target"
    if what == "file":
        target.write_text("mine")
    elif what == "folder":
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    else:
        shutil.move(folder, tmp_path / "elsewhere")
        target.symlink_to(tmp_path / "elsewhere")
        fill(folder, a="1")
    before = content(tmp_path)
    with pytest.raises(ValueError, match=rf"target: is a {what}.* remove (it|the link), or set an"):
        replace(target, folder)
    assert content(tmp_path) == before


def test_replace_puts_a_folder_in_the_place_of_an_older_one(folder: Path, tmp_path: Path) -> None:
    expected, target = content(folder), tmp_path / "target"
    fill(target, a="old", old="gone")
    replace(target, folder)
    assert content(target) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_replace_refuses_to_write_over_a_file_of_a_user(folder: Path, tmp_path: Path) -> None:
    fill(tmp_path / "target", old="gone")
    (tmp_path / "target" / "a").write_text("mine")
    with pytest.raises(ValueError, match=r"target/a: axialcast did not make it, and would write"):
        replace(tmp_path / "target", folder)
    assert content(tmp_path / "target") == {"a": "mine"}
    assert problems(folder, read_all=True) == []


@pytest.mark.parametrize("links", [True, False])
def test_replace_killed_anywhere_is_ended_by_another(
    tmp_path: Path, killed_at, monkeypatch, links: bool
) -> None:
    """With a user's file in the older folder, with and without hard links."""
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(1, "no links")))
    run = tmp_path / "run"
    new, target = run / "new", run / "target"
    for number in itertools.count(1):
        shutil.rmtree(run, ignore_errors=True)
        fill(new, a="1", b__c__d="23", b__e="4")
        expected = content(new)
        fill(target, a="old", b__old="gone")
        (target / "b" / "mine.txt").write_text("mine")
        if not killed_at(lambda: replace(target, new), number, run):
            break
        whole = [path for path in (new, target) if path.exists() and not problems(path)]
        assert whole, "neither is whole"
        if new.exists():
            assert problems(new, read_all=True) == []
            replace(target, new)
        assert content(target) == expected | {"b/mine.txt": "mine"}
    assert number > 20
