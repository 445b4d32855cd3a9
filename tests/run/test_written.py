"""What a config's file says of secrets: interpolations, and never a value that was one."""

import os
from pathlib import Path

import pytest
import yaml

from axialcast.run.config import Config, ConfigError, load_config, save_config

CANARY = "hush-7f3a"

TEXT = """
pipeline: [train]
seed: ${oc.decode:${oc.env:SEED}}
data:
  store: https://me:${oc.env:TOKEN}@host/${oc.env:TOKEN}/a.zarr?sig=${oc.env:TOKEN}
  variables: [geopotential, "${oc.env:NAME,temperature}"]
  train: ["2001", "2003"]
  validate: ["2004", "2004"]
  test: ["2005-01", "2005-06-30"]
  storage_options:
    key: ${oc.env:TOKEN}
    secret: ${.key}
    anon: false
    client_kwargs: {endpoint_url: "http://host", headers: {Authorization: "Bearer ${oc.env:TOKEN}"}}
"""


PERIODS = "train: ['2001', '2001'], validate: ['2002', '2002'], test: ['2003', '2003']"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", CANARY)
    monkeypatch.setenv("SEED", "7")
    Path("x.yaml").write_text(TEXT)
    return Path("x.yaml")


def saved(config: Config) -> str:
    save_config(config, "saved.yaml")
    return Path("saved.yaml").read_text()


def test_interpolations_stay(path: Path) -> None:
    config = load_config(path)
    assert config.data is not None
    assert config.seed == 7
    assert config.data.storage_options["secret"] == CANARY
    text = saved(config)
    assert CANARY not in text
    written, read = yaml.safe_load(text), yaml.safe_load(TEXT)
    assert written["seed"] == read["seed"]
    assert written["data"]["store"] == read["data"]["store"]
    assert written["data"]["variables"] == read["data"]["variables"]
    assert written["data"]["storage_options"] == read["data"]["storage_options"]
    again = load_config("saved.yaml")
    assert again == config
    assert again.text == text


def test_addresses_that_are_told_keep_interpolations(path: Path) -> None:
    config = load_config(path)
    assert config.source_address == yaml.safe_load(TEXT)["data"]["store"]
    assert config.source_store == f"https://me:{CANARY}@host/{CANARY}/a.zarr?sig={CANARY}"
    prepared = load_config(path, ["prepare={}", "output=${oc.env:TOKEN}/x"])
    assert prepared.analysis_address == "${oc.env:TOKEN}/x/training.zarr"
    assert prepared.analysis_store == f"{CANARY}/x/training.zarr"
    plain = load_config(path, [f"data.store=https://me:{CANARY}@host/a.zarr?sig={CANARY}"])
    assert plain.source_address == "https://host/a.zarr"
    assert load_config(path, ["data.store=a.zarr"]).source_address == "a.zarr"


def test_of_several_stores_interpolations_stay_and_secrets_do_not(path: Path) -> None:
    stores = [
        f"https://me:{CANARY}@host/b.zarr",
        {"store": "${oc.env:TOKEN}/c.nc", "rename": {"a": "geopotential"}},
        {"store": "s3://b/d", "storage_options": {"key": "${oc.env:TOKEN}", "secret": CANARY}},
    ]
    values = yaml.safe_load(TEXT)
    values["data"]["store"] = stores
    values["data"]["boundary"] = {"width": 1, "store": f"https://me:{CANARY}@host/b.zarr"}
    values["data"]["region"] = {"latitude": [0, 60], "longitude": [0, 60]}
    path.write_text(yaml.safe_dump(values))
    config = load_config(path)
    assert config.source_store == [
        stores[0],
        {**stores[1], "store": f"{CANARY}/c.nc"},
        {"store": "s3://b/d", "storage_options": {"key": CANARY, "secret": CANARY}},
    ]
    assert CANARY not in saved(config)
    assert f"me:{CANARY}" not in repr(config)
    assert f"'{CANARY}'" not in repr(config)
    assert config.source_address == ["https://host/b.zarr", "${oc.env:TOKEN}/c.nc", "s3://b/d"]
    assert config.source_name == "https://host/b.zarr and 2 more"
    written = yaml.safe_load(config.text)["data"]["store"]
    assert written[:2] == ["https://${oc.env:AXIALCAST_STORE_0_LOGIN}@host/b.zarr", stores[1]]
    secret = "${oc.env:AXIALCAST_STORE_2_STORAGE_OPTIONS_SECRET}"
    assert written[2]["storage_options"] == {"key": "${oc.env:TOKEN}", "secret": secret}


def test_secrets_in_clear_are_left_to_the_environment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [
        f"data.store=https://me:{CANARY}@host/a.zarr?sig={CANARY}",
        f"data.storage_options={{secret: {CANARY}, pin: 7919, region: eu, a: {{b-c: {CANARY}}}}}",
    ]
    config = load_config(path, overrides)
    text = saved(config)
    assert CANARY not in text
    assert "7919" not in text
    assert "region: eu" in text
    with pytest.raises(ConfigError, match="AXIALCAST_STORE_LOGIN is not set"):
        load_config("saved.yaml")
    assert load_config("saved.yaml", overrides) == config
    values = {
        "STORE_LOGIN": f"me:{CANARY}",
        "STORE_QUERY": f"sig={CANARY}",
        "STORAGE_OPTIONS_SECRET": CANARY,
        "STORAGE_OPTIONS_PIN": "7919",
        "STORAGE_OPTIONS_A_B_C": CANARY,
    }
    for name, value in values.items():
        assert f"# AXIALCAST_{name}: a secret was left out" in text
        monkeypatch.setenv(f"AXIALCAST_{name}", value)
    # What the file had beside them is interpolated still.
    assert load_config("saved.yaml") == config
    assert saved(load_config("saved.yaml")) == text


def test_a_secret_is_no_default_of_a_variable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = f"{{secret: '${{oc.env:OTHER,{CANARY}}}', endpoint_url: '${{oc.env:PLACE,http://h}}'}}"
    config = load_config(path, [f"data.storage_options={given}"])
    assert config.data is not None
    assert config.data.storage_options["secret"] == CANARY
    options = yaml.safe_load(saved(config))["data"]["storage_options"]
    assert options["secret"] == "${oc.env:OTHER}"
    assert options["endpoint_url"] == "${oc.env:PLACE,http://h}"
    monkeypatch.setenv("OTHER", CANARY)
    assert load_config("saved.yaml") == config


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("data.storage_options", "{secret: hush-7f3a, anon: false}"),
        ("data", f"{{store: 'https://a:{CANARY}@h/x', variables: [a], {PERIODS}}}"),
        ("data.storage_options.headers", "{Authorization: hush-7f3a}"),
        ("verify.regions", "{hush-7f3a: {latitude: [1, 2], longitude: [3, 4]}}"),
    ],
)
def test_a_section_of_the_environment_stays_one_interpolation(
    path: Path, monkeypatch: pytest.MonkeyPatch, key: str, text: str
) -> None:
    monkeypatch.setenv("SECTION", text)
    config = load_config(path, [f"{key}=${{oc.decode:${{oc.env:SECTION}}}}"])
    assert CANARY not in saved(config)
    assert f"{key.split('.')[-1]}: ${{oc.decode:${{oc.env:SECTION}}}}" in saved(config)
    assert CANARY not in config.source_address
    assert load_config("saved.yaml") == config


def test_a_config_made_in_python_hides_its_secrets_too(path: Path) -> None:
    data = load_config(path).model_dump()["data"]
    data["store"] = f"https://me:{CANARY}@host/a.zarr"
    config = Config(pipeline=["train"], output="out", data=data)
    assert CANARY not in saved(config)
    assert config.source_address == "https://host/a.zarr"


def test_what_was_changed_since_is_written_by_value(path: Path) -> None:
    config = load_config(path).model_copy(update={"seed": 11})
    assert yaml.safe_load(config.text)["seed"] == 11
    assert CANARY not in config.text


def test_the_representation_of_a_config_tells_no_secret(path: Path) -> None:
    config = load_config(path, [f"data.store=https://me:{CANARY}@host/a.zarr?sig={CANARY}"])
    assert CANARY not in repr(config)
    assert CANARY not in str(config)
    assert CANARY not in f"{config.data!r}"
    assert "https://host/a.zarr" in repr(config)


def test_a_store_beside_the_config_is_found_from_elsewhere(path: Path) -> None:
    os.environ["NAME"] = "a.nc"
    try:
        Path("configs").mkdir()
        path = path.rename("configs/x.yaml")
        Path("configs/a.nc").touch()
        config = load_config(path, ["data.store=${oc.env:NAME}"])
        assert config.source_address == "configs/${oc.env:NAME}"
        saved(config)
        assert load_config("saved.yaml").source_store == "configs/a.nc"
    finally:
        del os.environ["NAME"]


@pytest.mark.parametrize(
    "override",
    [
        "device=${oc.env:TOKEN}",
        "seed=${oc.env:TOKEN}",
        "pipeline=${oc.env:TOKEN}",
        "pipeline=[train, '${oc.env:TOKEN}']",
        "model=${oc.env:TOKEN}",
        "data=${oc.env:TOKEN}",
        "data.train=['${oc.env:TOKEN}', 2001]",
        "data.storage_options=${oc.env:TOKEN}",
        "verify.metrics=['${oc.env:TOKEN}']",
        "forecast.init_times='${oc.env:TOKEN}'",
        "seed=${oc.decode:${oc.env:TOKEN}-'}",
        "data.units='x${data.storage_options}'",
        f"data.storage_options={CANARY}",
        f"data.storage_options=[{CANARY}]",
        f"data.storage_options.secret=[{CANARY}",
        f"data.storage_options[0]={CANARY}",
    ],
)
def test_no_error_of_a_config_tells_a_secret(path: Path, override: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(path, [override])
    assert CANARY not in str(error.value)


def test_a_variable_that_is_set_to_nothing_says_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTHING", "")
    with pytest.raises(ConfigError) as error:
        load_config(path, ["device=${oc.env:NOTHING}"])
    line = "command line: device: got '', expected auto, cpu, cuda, cuda:<index> or mps"
    assert error.value.lines == [line]
