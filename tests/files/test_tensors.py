"""Snapshots are safetensors files, read by the library that defines them."""

import errno
import hashlib
import os
import subprocess

import pytest
import torch
from safetensors.torch import load_file

from axialcast.files.tensors import Snapshot

TYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.uint8]


@pytest.fixture
def named():
    torch.manual_seed(0)
    found = {f"x.{t}": (100 * torch.rand(3, 5)).to(t) for t in TYPES}
    found["flag"] = torch.tensor([True, False, True])
    found["none"] = torch.empty(0, 4)
    found["scalar"] = torch.tensor(0.1)
    found["turned"] = torch.rand(3, 5).T
    found["same"] = found["x.torch.float32"]
    return found


def test_what_is_written_is_read(named, tmp_path):
    path = tmp_path / "x.safetensors"
    size, checksum = Snapshot(named).write(path)
    assert size == path.stat().st_size > Snapshot(named).num_bytes
    assert checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    read = load_file(path)
    assert read.keys() == named.keys()
    for name, value in named.items():
        assert read[name].dtype == value.dtype
        assert torch.equal(read[name], value)


def test_a_snapshot_keeps_what_was(named):
    snapshot = Snapshot(named)
    before = {name: value.clone() for name, value in named.items()}
    for value in named.values():
        value.zero_()
    assert all(torch.equal(snapshot.copies[name], before[name]) for name in named)
    snapshot.take(named)
    assert all(torch.equal(snapshot.copies[name], named[name]) for name in named)


def test_what_fits(named):
    snapshot = Snapshot(named)
    assert snapshot.fits(dict(reversed(named.items())))
    assert not snapshot.fits({**named, "flag": torch.zeros(4, dtype=torch.bool)})
    assert not snapshot.fits({**named, "flag": torch.zeros(3)})
    assert not snapshot.fits({**named, "more": torch.arange(7)})


def test_a_shorter_one_replaces_a_longer_one(tmp_path):
    path = tmp_path / "x"
    Snapshot({"a": torch.zeros(1000)}).write(path)
    size, _ = Snapshot({"a": torch.zeros(10)}).write(path)
    assert path.stat().st_size == size


def test_a_full_disk_is_an_error_of_the_system(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if not hasattr(os, "geteuid") or os.geteuid() or subprocess.run(mount).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        with pytest.raises(OSError, match="No space left") as raised:
            Snapshot({"a": torch.zeros(100_000)}).write(tmp_path / "x")
        assert raised.value.errno == errno.ENOSPC
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        Snapshot({"a": torch.zeros(3)}).write(tmp_path / "no" / "x")
