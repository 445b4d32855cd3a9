"""The documentation site is built without a warning, and of nothing from elsewhere."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the docs extra is not installed")

ROOT = Path(__file__).parents[2]
BUILD = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", str(ROOT / "docs")]


@pytest.mark.slow
def test_the_site_is_built(tmp_path: Path) -> None:
    """Broken links, orphan pages, what is not described and what is fetched are warnings."""
    built = subprocess.run([*BUILD, str(ROOT), str(tmp_path)], capture_output=True, text=True)
    assert not built.returncode, built.stderr
    assert (tmp_path / "index.html").is_file()
    for page in ("docs/index", "docs/reference/config", "docs/reference/api/nn"):
        assert (tmp_path / f"{page}.html").is_file()


@pytest.mark.slow
def test_a_broken_link_and_an_orphan_fail(tmp_path: Path) -> None:
    pages = tmp_path / "docs"
    pages.mkdir()
    (pages / "index.md").write_text("# First\n\n[nowhere](nowhere.md)\n")
    (pages / "orphan.md").write_text("# Orphan\n")
    built = subprocess.run(
        [*BUILD, str(tmp_path), str(tmp_path / "site")], capture_output=True, text=True
    )
    assert built.returncode == 1
    assert "nowhere.md" in built.stderr
    assert "isn't included in any toctree" in built.stderr
