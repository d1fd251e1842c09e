"""Settings: where they come from, in which order, and what of them is shown."""

import os
import tomllib

import pytest
from pydantic import ValidationError

from moorage.server import load_settings
from server.commands import moorage, sentence_of


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch):
    for name in [name for name in os.environ if name.startswith("MOORAGE_")]:
        monkeypatch.delenv(name)


def test_without_any_the_server_listens_to_this_machine_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.database_url == f"sqlite:///{tmp_path}/moorage-data/db/moorage.db"
    assert list(tmp_path.iterdir()) == [], "reading settings makes nothing"


def test_the_environment_sets_them_nested_ones_too(monkeypatch):
    monkeypatch.setenv("MOORAGE_PORT", "9000")
    monkeypatch.setenv("MOORAGE_RETENTION__LOGS_DAYS", "0.5")
    settings = load_settings()
    assert (settings.port, settings.retention.logs_days) == (9000, 0.5)
    assert settings.retention.events_days == 90, "its neighbours keep their defaults"


def test_an_option_goes_before_the_environment_and_that_before_the_file(tmp_path, monkeypatch):
    config = tmp_path / "moorage.toml"
    config.write_text(
        'port = 1001\nhost = "127.0.0.2"\nlog_level = "error"\n'
        "[retention]\nlogs_days = 3\nevents_days = 4\n"
    )
    monkeypatch.setenv("MOORAGE_PORT", "1002")
    monkeypatch.setenv("MOORAGE_HOST", "127.0.0.3")
    monkeypatch.setenv("MOORAGE_RETENTION__LOGS_DAYS", "5")
    settings = load_settings(config, port=1003, host=None)
    assert (settings.port, settings.host, settings.log_level) == (1003, "127.0.0.3", "error")
    assert (settings.retention.logs_days, settings.retention.events_days) == (5, 4)


@pytest.mark.parametrize(
    "text",
    [
        'databse = "postgresql://u:hunter2@h/n"',
        '[retention]\nhunter2 = "hunter2"',
        'port = "hunter2"',
    ],
)
def test_what_is_wrong_is_refused_without_its_value(tmp_path, text):
    config = tmp_path / "moorage.toml"
    config.write_text(text)
    with pytest.raises(ValidationError) as refused:
        load_settings(config)
    said = str(refused.value)
    if "hunter2 =" not in text:
        assert "hunter2" not in said
    done = moorage("settings", "--config", config)
    assert ":hunter2@" not in sentence_of(done)
    assert '"hunter2"' not in done.stderr


def test_a_wrong_value_is_named_by_its_setting(monkeypatch):
    for name, value in {
        "MOORAGE_PORT": "70000",
        "MOORAGE_LOG_LEVEL": "loud",
        "MOORAGE_RETENTION__LOGS_DAYS": "-1",
        "MOORAGE_RETENTION__WEEKS": "1",
        "MOORAGE_PUBLIC_URL": "https://a.example/$(reboot)",
        "MOORAGE_INSTALL_TOKEN_MINUTES": "nan",
    }.items():
        monkeypatch.setenv(name, value)
        with pytest.raises(ValidationError) as refused:
            load_settings()
        setting = ".".join(map(str, refused.value.errors()[0]["loc"]))
        assert setting == name.removeprefix("MOORAGE_").lower().replace("__", ".")
        monkeypatch.delenv(name)


@pytest.mark.parametrize("content", [b"= nonsense", b"\xff\xfe", None])
def test_a_file_that_is_none_is_said_in_one_line(tmp_path, content):
    config = tmp_path / "moorage.toml"
    if content is not None:
        config.write_bytes(content)
    assert "settings file" in sentence_of(moorage("settings", "--config", config))


def test_settings_are_printed_with_secrets_masked():
    done = moorage(
        "settings", env={"MOORAGE_DATABASE": "postgresql://u:hunter2@h/n", "MOORAGE_PORT": "9001"}
    )
    assert done.returncode == 0, done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    shown = tomllib.loads(
        "\n".join(
            line for line in done.stdout.splitlines() if not line.endswith(("null", "}")) and line
        )
    )
    assert shown["port"] == 9001
