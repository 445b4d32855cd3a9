from pathlib import Path

import pytest

from axialcast.run import shipped

ROOT = Path(__file__).parents[2]


def test_a_checkout_ships_its_own_folders() -> None:
    assert set(shipped.pipelines()) >= {"simulate", "train", "forecast", "verify"}
    assert shipped.configs()["smallest"] == ROOT / "configs" / "smallest.yaml"


@pytest.mark.parametrize("name", ["smallest", "smallest.yaml", "configs/smallest.yaml"])
def test_a_shipped_config_is_found_from_any_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped.find_config(name) == ROOT / "configs" / "smallest.yaml"


def test_your_own_config_goes_before_a_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("smallest.yaml").write_text("")
    assert shipped.find_config("smallest.yaml") == Path("smallest.yaml")


@pytest.mark.parametrize("name", ["elsewhere/smallest.yaml", "/configs/smallest.yaml", "smalest"])
def test_a_config_that_is_nowhere_is_an_error(name: str) -> None:
    with pytest.raises(FileNotFoundError, match="did you mean smallest\\?"):
        shipped.find_config(name)


def test_a_pipeline_may_be_your_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("")
    assert shipped.find_pipeline("mine.py", tmp_path) == tmp_path / "mine.py"
    monkeypatch.chdir(tmp_path)
    assert shipped.find_pipeline("mine.py") == Path("mine.py")
    with pytest.raises(ValueError, match="no such file"):
        shipped.find_pipeline("yours.py")


def test_a_misspelt_pipeline_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown pipeline 'trian'; did you mean train\\?"):
        shipped.find_pipeline("trian")


def test_every_shipped_file_says_what_it_is() -> None:
    kinds = (shipped.pipelines(), shipped.configs(), shipped.scripts(), shipped.examples())
    for path in [path for kind in kinds for path in kind.values()]:
        assert len(shipped.first_line(path)) > 20, path
        assert not shipped.first_line(path).startswith("axialcast ")


def test_every_config_begins_with_the_command_that_runs_it() -> None:
    for name, path in shipped.configs().items():
        first = path.read_text("utf-8").splitlines()[0]
        assert first == f"# axialcast run configs/{name}.yaml"


def test_a_config_without_its_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("")
    with pytest.raises(FileNotFoundError, match=r"did you mean mine\.yaml\?"):
        shipped.find_config("mine")
