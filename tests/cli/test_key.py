"""Keys made, changed, rolled and ended; their texts shown once; and who did it."""

import httpx

from cli.devices import asked, made


def status_of(cli, key):
    answer = httpx.get(f"{cli.url}/v1/devices", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code


def test_a_key_made_works_and_may_do_what_was_said(cli):
    made_key = cli.json(
        "key", "create", "reader", "--scope", "device:read", "--scope", "audit:read"
    )
    assert status_of(cli, made_key["key"]) == 200
    assert sorted(made_key["scopes"]) == ["audit:read", "device:read"]
    assert cli.json("key", "create", "all")["scopes"] is None
    nothing = cli.json("key", "create", "nothing", "--no-scopes")
    assert status_of(cli, nothing["key"]) == 403
    assert cli.json("key", "create", "test", "--mode", "test")["key"].startswith("sk_test_")


def test_a_keys_text_is_shown_once_and_alone(cli):
    text = cli.ok("key", "create", "once").strip()
    assert status_of(cli, text) == 200
    for arguments in (("key", "list"), ("key", "list", "--json"), ("audit",), ("audit", "--json")):
        assert text not in cli.ok(*arguments)


def test_a_key_is_changed_switched_off_and_on(cli):
    text = cli.ok("key", "create", "switch").strip()
    dry = cli.json("key", "update", "switch", "--disable", "--dry-run")
    assert (dry["before"]["disabled"], dry["after"]["disabled"]) == (False, True)
    assert status_of(cli, text) == 200
    cli.ok("key", "update", "switch", "--disable")
    assert status_of(cli, text) == 401
    cli.ok("key", "update", "switch", "--enable", "--name", "switched")
    assert status_of(cli, text) == 200
    assert cli.json("key", "update", "switched", "--scope", "audit:read")["scopes"] == [
        "audit:read"
    ]
    assert status_of(cli, text) == 403
    cli.refused(2, "key", "update", "switched")


def test_a_protected_key_cannot_be_revoked(cli):
    text = cli.ok("key", "create", "guarded").strip()
    cli.ok("key", "update", "guarded", "--protect")
    cli.refused(5, "key", "revoke", "guarded", "--yes")
    assert status_of(cli, text) == 200


def test_a_key_is_revoked_only_with_a_yes_and_then_at_once(cli):
    text = cli.ok("key", "create", "ended").strip()
    assert "--yes" in cli.refused(2, "key", "revoke", "ended")
    cli.ok("key", "revoke", "ended", "--dry-run")
    assert status_of(cli, text) == 200
    cli.ok("key", "revoke", "ended", "--yes")
    assert status_of(cli, text) == 401
    cli.refused(3, "key", "revoke", "ended", "--yes")
    assert "ended" not in cli.ok("key", "list")
    assert "revoked" in cli.ok("key", "list", "--revoked")


def test_names_of_several_keys_are_refused_with_their_ids(cli):
    ids = [cli.json("key", "create", "double")["id"] for _ in range(2)]
    said = cli.refused(2, "key", "revoke", "double", "--yes")
    assert all(one in said for one in ids)


def test_rolling_the_key_in_use_keeps_the_profile_working(cli):
    old = cli.ok("key", "create", "mine").strip()
    cli.key = old
    cli.login()
    new = cli.ok("key", "roll", "mine", "--yes").strip()
    assert new != old
    assert status_of(cli, old) == 401
    assert status_of(cli, new) == 200
    assert cli.json("device", "list") is not None


def test_rolling_another_key_leaves_the_profile_alone(cli):
    old = cli.ok("key", "create", "theirs").strip()
    kept = (cli.home / "config" / "moorage" / "profiles.json").read_text()
    cli.ok("key", "roll", "theirs", "--dry-run")
    assert status_of(cli, old) == 200
    new = cli.ok("key", "roll", "theirs", "--yes").strip()
    assert (status_of(cli, old), status_of(cli, new)) == (401, 200)
    assert (cli.home / "config" / "moorage" / "profiles.json").read_text() == kept


def test_more_than_ones_own_is_not_granted(cli):
    cli.key = cli.ok("key", "create", "narrow", "--scope", "api-key:create").strip()
    done = cli.run("login", cli.url, "--key-stdin", stdin=cli.key)
    assert done.returncode == 0
    cli.refused(4, "key", "create", "wide")


def test_audit_says_who_changed_what(cli):
    box = made(cli, "audited")
    cli.ok("device", "update", "audited", "--type", "pi")
    entries = cli.json("audit", "--entity", box.id)
    actions = [entry["action"] for entry in entries]
    assert len(actions) >= 2
    newest = asked(cli, f"audit?entity_id={box.id}")["data"][0]
    assert entries[0]["id"] == newest["id"]
    assert (
        cli.json("audit", "--entity", box.id, "--action", newest["action"])[0]["id"]
        == (newest["id"])
    )
    assert cli.json("audit", "--entity", box.id, "--limit", "1")[0]["id"] == newest["id"]
    assert cli.json("audit", "--entity", box.id, "--until", "1h") == []
    assert cli.json("audit", "--entity", box.id, "--actor", "nobody") == []
    assert newest["actor"] in cli.ok("audit", "--entity", box.id)
