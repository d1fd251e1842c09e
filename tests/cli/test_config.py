"""A device's config from a terminal: shown, edited in an editor, compared, taken back."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.devices import asked, made
from cli.editors import editor, kept_by
from moorage.cli.owner.editing import CannotSay, patch_of
from sdk.wire import Wire


def own_of(cli, device):
    return asked(cli, f"devices/{device}/config")["own"]


def test_what_a_device_is_to_run_and_who_said_so_is_shown(cli):
    box = made(cli, "shown")
    asked(cli, f"devices/{box.id}/config", "PATCH", {"config": {"log_level": "debug"}})
    assert cli.json("device", "config", "get", "shown")["revision"] == 2
    document = json.loads(cli.ok("device", "config", "get", "shown"))
    assert document["config"]["log_level"] == "debug"
    own = cli.json("device", "config", "get", "shown", "--own")
    assert own == {"config": {"log_level": "debug"}}
    origins = cli.ok("device", "config", "get", "shown", "--origins").splitlines()
    assert '/config/log_level\t"debug"\tdevice' in origins
    assert any(line.endswith("\tbase") for line in origins)
    first = cli.json("device", "config", "get", "shown", "--revision", "1")
    assert first["document"]["config"]["log_level"] == "info"
    cli.refused(3, "device", "config", "get", "shown", "--revision", "99")


def test_an_edit_sends_only_what_changed(cli, tmp_path):
    box = made(cli, "edited")
    before = {"config": {"log_level": "debug", "report_interval_s": 60}, "services": {"a": {}}}
    asked(cli, f"devices/{box.id}/config", "PATCH", before)
    editor(cli, tmp_path, 'layer["config"]["report_interval_s"] = 90')
    done = cli.run("device", "config", "edit", "edited")
    assert done.returncode == 0, done.stderr
    assert '+    "report_interval_s": 90' in done.stdout.splitlines()
    config = asked(cli, f"devices/{box.id}/config")
    assert config["own"] == {
        "config": {"log_level": "debug", "report_interval_s": 90},
        "services": {"a": {}},
    }
    (newest, *_) = asked(cli, f"devices/{box.id}/config/revisions")["data"]
    assert newest["changed"] == ["/config/report_interval_s"]


def test_an_edit_that_changes_nothing_makes_no_revision(cli, tmp_path):
    box = made(cli, "same")
    editor(cli, tmp_path, "")
    assert cli.json("device", "config", "edit", "same")["revision"] == 1
    assert asked(cli, f"devices/{box.id}/config")["revision"] == 1


def test_a_dry_run_of_an_edit_shows_the_layer_and_sends_nothing(cli, tmp_path):
    box = made(cli, "tried")
    editor(cli, tmp_path, 'layer["config"] = {"log_level": "error"}')
    shown = cli.json("device", "config", "edit", "tried", "--dry-run")
    assert (shown["before"], shown["after"]) == ({}, {"config": {"log_level": "error"}})
    assert own_of(cli, box.id) == {}


def test_a_config_changed_meanwhile_is_exit_5_and_what_was_typed_is_kept(cli, tmp_path):
    box = made(cli, "raced")
    # While the editor is open, somebody else changes the config.
    editor(
        cli,
        tmp_path,
        f"""
request = urllib.request.Request(
    "{cli.url}/v1/devices/{box.id}/config",
    data=b'{{"config": {{"log_level": "warning"}}}}',
    method="PATCH",
    headers={{"Authorization": "Bearer {cli.key}", "Content-Type": "application/json"}},
)
urllib.request.urlopen(request).read()
layer["services"] = {{"mine": {{"image": "x"}}}}
""",
    )
    done = cli.run("device", "config", "edit", "raced")
    assert done.returncode == 5, done.stderr
    assert done.stdout == ""
    kept = kept_by(cli, done)
    assert json.loads(kept.read_text()) == {"services": {"mine": {"image": "x"}}}
    assert own_of(cli, box.id) == {"config": {"log_level": "warning"}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("path.write_text('{ not json'); sys.exit()", "not JSON"),
        ("path.write_text('[1]'); sys.exit()", "object"),
        ('layer["config"] = {"log_level": "shouting"}', "log_level"),
    ],
    ids=["no JSON", "no object", "refused by the server"],
)
def test_an_edit_that_cannot_be_sent_is_exit_2_and_kept(cli, tmp_path, body, words):
    box = made(cli, f"wrong {words}")
    editor(cli, tmp_path, body)
    done = cli.run("device", "config", "edit", box.id)
    assert done.returncode == 2
    assert words in done.stderr
    assert kept_by(cli, done).exists()
    assert own_of(cli, box.id) == {}


def test_an_editor_that_fails_or_is_not_there_changes_nothing(cli, tmp_path):
    box = made(cli, "no editor")
    for command, code in (("false", 1), ("/nowhere/vi", 2)):
        cli.env = {"EDITOR": command}
        cli.refused(code, "device", "config", "edit", "no editor")
    assert own_of(cli, box.id) == {}


def test_the_file_in_the_editor_is_its_owners_only_and_gone_afterwards(cli, tmp_path):
    made(cli, "private")
    note = tmp_path / "note"
    editor(
        cli,
        tmp_path,
        f"mode = oct(os.stat(path).st_mode & 0o777), oct(os.stat(path.parent).st_mode & 0o777)\n"
        f'pathlib.Path({str(note)!r}).write_text(f"{{path}} {{mode[0]}} {{mode[1]}}")',
    )
    cli.ok("device", "config", "edit", "private")
    path, mode, folder = note.read_text().split()
    assert (mode, folder) == ("0o600", "0o700")
    assert not Path(path).exists()


def test_a_mask_never_takes_the_place_of_the_secret_behind_it(cli, tmp_path):
    box = made(cli, "masked")
    secret = {"services": {"app": {"sources": [{"password": "hunter2"}, {"name": "b"}]}}}
    asked(cli, f"devices/{box.id}/config", "PATCH", secret)
    narrow = asked(
        cli,
        "api-keys",
        "POST",
        {"name": "no secrets", "scopes": ["device:read", "config:read", "config:write"]},
    )
    wide, cli.key = cli.key, narrow["key"]
    cli.login()
    editor(cli, tmp_path, 'layer["services"]["app"]["sources"][1]["name"] = "c"')
    done = cli.run("device", "config", "edit", box.id)
    assert done.returncode == 2
    assert "config:read_secrets" in done.stderr
    # What stands beside it can be changed, and the secret stays.
    editor(cli, tmp_path, 'layer["services"]["app"]["image"] = "x"')
    cli.ok("device", "config", "edit", box.id)
    cli.key = wide
    app = own_of(cli, box.id)["services"]["app"]
    assert app == {"image": "x", **secret["services"]["app"]}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x"]),
    lambda inner: (
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=2)
    ),
    max_leaves=8,
)
layers = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


def folded(target, patch):
    """RFC 7396 as its text has it, but a null stays, as a device's layer keeps it."""
    result = dict(target)
    for key, value in patch.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = folded(result[key], value) if both else value
    return result


def with_nulls(before, after):
    """What is wanted: what was taken out is null."""
    wanted = dict(after)
    for key, value in before.items():
        if key not in after:
            wanted[key] = None
        elif isinstance(value, dict) and isinstance(after[key], dict):
            wanted[key] = with_nulls(value, after[key])
    return wanted


@given(layers, layers)
def test_the_patch_of_an_edit_makes_what_was_typed(before, after):
    try:
        patch = patch_of(before, after)
    except CannotSay:
        return
    assert json.dumps(folded(before, patch), sort_keys=True) == json.dumps(
        with_nulls(before, after), sort_keys=True
    )
    if before == after and patch:
        assert json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True)


def test_a_null_that_was_taken_out_cannot_be_said_in_a_patch():
    with pytest.raises(CannotSay):
        patch_of({"a": None}, {})


def test_history_diff_and_rollback(cli):
    box = made(cli, "history")
    path = f"devices/{box.id}/config"
    asked(cli, path, "PATCH", {"config": {"log_level": "debug"}})
    asked(cli, path, "PATCH", {"config": {"log_level": "error"}})
    listed = cli.json("device", "config", "history", "history")
    assert [one["revision"] for one in listed] == [3, 2, 1]
    shown = cli.ok("device", "config", "diff", "history", "1", "2").splitlines()
    assert shown[:2] == ["--- revision 1", "+++ revision 2"]
    assert '-    "log_level": "info",' in shown
    assert '+    "log_level": "debug",' in shown
    both = cli.json("device", "config", "diff", "history", "2")
    assert (both["before"]["revision"], both["after"]["revision"]) == (2, 3)
    assert cli.ok("device", "config", "diff", "history", "3", "3").strip() == "no difference"
    dry = cli.json("device", "config", "rollback", "history", "1", "--dry-run")
    assert dry["after"]["config"]["log_level"] == "info"
    assert asked(cli, path)["revision"] == 3
    assert cli.json("device", "config", "rollback", "history", "1")["revision"] == 4
    assert asked(cli, path)["document"]["config"]["log_level"] == "info"
    cli.refused(3, "device", "config", "rollback", "history", "77")
    cli.refused(2, "device", "config", "diff", "history")


def test_a_rollback_is_guarded_by_what_was_read(cli):
    box = made(cli, "guarded")
    path = f"devices/{box.id}/config"
    asked(cli, path, "PATCH", {"config": {"log_level": "debug"}})
    digest = asked(cli, path)["digest"]
    with Wire(cli.url) as wire:
        cli.env = {"MOORAGE_URL": wire.url, "MOORAGE_API_KEY": cli.key}
        cli.ok("device", "config", "rollback", box.id, "1")
        (sent,) = [headers for method, _, headers in wire.seen if method == "POST"]
    assert sent["if-match"] == f'"{digest}"'


def test_diff_applied_compares_with_what_the_device_proved(cli):
    box = made(cli, "applied")
    cli.refused(3, "device", "config", "diff", "applied", "--applied")
    first = asked(cli, f"devices/{box.id}/config")
    box.send(config={"revision": 1, "digest": first["digest"], "state": "applied", "error": None})
    assert cli.ok("device", "config", "diff", "applied", "--applied").strip() == "no difference"
    asked(cli, f"devices/{box.id}/config", "PATCH", {"config": {"log_level": "error"}})
    shown = cli.ok("device", "config", "diff", "applied", "--applied").splitlines()
    assert '-    "log_level": "info",' in shown
    assert '+    "log_level": "error",' in shown
