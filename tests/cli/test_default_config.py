"""What new devices begin with: shown, set from a file, edited; guarded by what was read."""

import json

import pytest

from cli.devices import asked, made
from cli.editors import editor, kept_by

PATH = "default-config"


@pytest.fixture
def default(cli):
    """The default of the server and nothing else, also for the next test."""
    asked(cli, PATH, "PUT", {"patch": {}})
    yield asked(cli, PATH)
    asked(cli, PATH, "PUT", {"patch": {}})


def layer_file(tmp_path, layer) -> str:
    file = tmp_path / "layer.json"
    file.write_text(layer if isinstance(layer, str) else json.dumps(layer))
    return str(file)


def test_the_default_and_the_workspaces_part_of_it_are_shown(cli, default):
    asked(cli, PATH, "PUT", {"patch": {"config": {"log_level": "debug"}}})
    assert cli.json("default-config", "get") == asked(cli, PATH)
    shown = cli.run("default-config", "get")
    assert json.loads(shown.stdout)["config"]["log_level"] == "debug"
    assert asked(cli, PATH)["digest"] in shown.stderr
    own = {"config": {"log_level": "debug"}}
    assert json.loads(cli.ok("default-config", "get", "--own")) == own
    assert cli.json("default-config", "get", "--own") == own


def test_a_file_takes_the_place_of_the_workspaces_part_for_devices_to_come(cli, tmp_path, default):
    asked(cli, PATH, "PUT", {"patch": {"config": {"report_interval_s": 90}}})
    before = made(cli, "before the default")
    layer = {"config": {"log_level": "error"}}
    shown = cli.ok("default-config", "set", layer_file(tmp_path, layer)).splitlines()
    assert '+    "log_level": "error",' in shown
    assert asked(cli, PATH)["patch"] == layer
    after = made(cli, "after the default")

    def level(box):
        return asked(cli, f"devices/{box.id}/config")["document"]["config"]["log_level"]

    assert (level(before), level(after)) == ("info", "error")
    cli.ok("default-config", "set", "-", stdin='{"services": {"app": {"image": "x"}}}')
    assert asked(cli, PATH)["patch"] == {"services": {"app": {"image": "x"}}}


def test_a_dry_run_shows_both_and_sets_nothing(cli, tmp_path, default):
    layer = {"config": {"log_level": "error"}}
    shown = cli.json("default-config", "set", layer_file(tmp_path, layer), "--dry-run")
    assert (shown["before"], shown["after"]) == ({}, layer)
    assert asked(cli, PATH)["patch"] == {}


def test_a_digest_that_is_no_longer_right_is_exit_5(cli, tmp_path, default):
    file = layer_file(tmp_path, {"config": {"log_level": "error"}})
    asked(cli, PATH, "PUT", {"patch": {"config": {"log_level": "warning"}}})
    cli.refused(5, "default-config", "set", file, "--if-match", default["digest"])
    assert asked(cli, PATH)["patch"] == {"config": {"log_level": "warning"}}
    cli.ok("default-config", "set", file, "--if-match", asked(cli, PATH)["digest"])
    assert asked(cli, PATH)["patch"] == {"config": {"log_level": "error"}}


@pytest.mark.parametrize(
    "layer",
    ["{ not json", "[1]", '{"config": {"report_interval_s": NaN}}', {"config": {"log_level": "x"}}],
    ids=["no JSON", "no object", "no number", "refused by the server"],
)
def test_a_layer_that_cannot_be_is_exit_2_and_changes_nothing(cli, tmp_path, layer, default):
    cli.refused(2, "default-config", "set", layer_file(tmp_path, layer))
    assert asked(cli, PATH) == default


def test_a_file_that_is_not_there_is_named(cli, tmp_path, default):
    assert "nowhere.json" in cli.refused(1, "default-config", "set", tmp_path / "nowhere.json")


def test_an_edit_puts_what_was_typed_in_place(cli, tmp_path, default):
    asked(cli, PATH, "PUT", {"patch": {"config": {"log_level": "debug"}, "services": {"a": {}}}})
    # What is taken out of this layer is gone: a patch of the whole is sent, not of the difference.
    editor(cli, tmp_path, 'del layer["services"]; layer["config"]["report_interval_s"] = 90')
    cli.ok("default-config", "edit")
    now = asked(cli, PATH)
    assert now["patch"] == {"config": {"log_level": "debug", "report_interval_s": 90}}


def test_an_edit_that_changes_nothing_or_is_tried_sends_nothing(cli, tmp_path, default):
    editor(cli, tmp_path, "")
    assert cli.json("default-config", "edit")["digest"] == default["digest"]
    editor(cli, tmp_path, 'layer["config"] = {"log_level": "error"}')
    shown = cli.json("default-config", "edit", "--dry-run")
    assert (shown["before"], shown["after"]) == ({}, {"config": {"log_level": "error"}})
    assert asked(cli, PATH) == default


def test_a_default_changed_meanwhile_is_exit_5_and_what_was_typed_is_kept(cli, tmp_path, default):
    # While the editor is open, somebody else changes the default.
    editor(
        cli,
        tmp_path,
        f"""
request = urllib.request.Request(
    "{cli.url}/v1/default-config",
    data=b'{{"patch": {{"config": {{"log_level": "warning"}}}}}}',
    method="PUT",
    headers={{"Authorization": "Bearer {cli.key}", "Content-Type": "application/json"}},
)
urllib.request.urlopen(request).read()
layer["services"] = {{"mine": {{"image": "x"}}}}
""",
    )
    done = cli.run("default-config", "edit")
    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    assert json.loads(kept_by(cli, done).read_text()) == {"services": {"mine": {"image": "x"}}}
    assert asked(cli, PATH)["patch"] == {"config": {"log_level": "warning"}}


def test_a_mask_never_takes_the_place_of_the_secret_behind_it(cli, tmp_path, default):
    secret = {"streams": {"cam": {"source": "rtsp://user:hush@10.0.0.9/live"}}}
    asked(cli, PATH, "PUT", {"patch": secret})
    narrow = asked(
        cli, "api-keys", "POST", {"name": "no secrets", "scopes": ["config:read", "config:write"]}
    )
    wide, cli.key = cli.key, narrow["key"]
    cli.login()
    editor(cli, tmp_path, 'layer["config"] = {"log_level": "debug"}')
    done = cli.run("default-config", "edit")
    assert done.returncode == 2
    assert "config:read_secrets" in done.stderr
    assert "hush" not in done.stderr + kept_by(cli, done).read_text()
    cli.key = wide
    assert asked(cli, PATH)["patch"] == secret
