"""docs/policy.md says what is public; the modules, the site and the last release agree."""

import ast
import importlib
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "policy.md").read_text("utf-8")
MODULES = re.findall(r"^  - `(axialcast[\w.]*)`$", PAGE, re.MULTILINE)
RELEASED = (ROOT / "tests" / "released.txt").read_text("utf-8").split()


@pytest.mark.parametrize("module", MODULES)
def test_a_public_module_exports_what_it_has(module: str) -> None:
    found = importlib.import_module(module)
    names = found.__all__
    assert len(names) == len(set(names))
    assert not [name for name in names if name.startswith("_") or not hasattr(found, name)]


def test_the_site_describes_what_the_policy_names() -> None:
    tree = ast.parse((ROOT / "docs" / "generators" / "public.py").read_text("utf-8"))
    [public] = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PUBLIC"
    ]
    assert sorted(ast.literal_eval(public)) == sorted(MODULES)


@pytest.mark.parametrize("name", RELEASED)
def test_what_was_released_is_there(name: str) -> None:
    """Names that were deprecated for a minor version leave tests/released.txt, and CHANGELOG.md
    says so."""
    module, _, attribute = name.rpartition(".")
    assert attribute in importlib.import_module(module).__all__


@pytest.mark.parametrize("page", ["extending.md", "policy.md"])
def test_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    names = re.findall(r"`((?:axialcast|tests|pipelines)/[\w./]+)`", text)
    assert names
    for name in names:
        assert (ROOT / name).exists(), name


def test_each_extension_point_has_one_short_test() -> None:
    text = (ROOT / "docs" / "extending.md").read_text("utf-8")
    to_copy = {Path(name).name for name in re.findall(r"Copy `(tests/extending/\w+\.py)`", text)}
    there = {path.name for path in (ROOT / "tests" / "extending").glob("test_*.py")}
    assert to_copy == there
    assert len(there) == text.count("\n## ")
    for name in there:
        assert len((ROOT / "tests" / "extending" / name).read_text("utf-8").splitlines()) <= 60


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert [author["name"] for author in citation["authors"]] == [
        author["name"] for author in project["authors"]
    ]


def test_the_citation_is_valid() -> None:
    cffconvert = pytest.importorskip("cffconvert", reason="pip install cffconvert: its schema")
    citation = cffconvert.Citation((ROOT / "CITATION.cff").read_text("utf-8"))
    citation.validate()


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.name)
def test_issue_templates_have_what_the_forge_asks_for(path: Path) -> None:
    form = yaml.safe_load(path.read_text("utf-8"))
    if path.name == "config.yml":
        assert set(form) <= {"blank_issues_enabled", "contact_links"}
        return
    assert {"name", "description", "body"} <= set(form)
    ids = [part["id"] for part in form["body"]]
    assert len(ids) == len(set(ids))
    assert all(part["attributes"]["label"] for part in form["body"])
