"""``/devices/v2/{token}/install.sh``: whatever goes wrong, what is piped to a shell is a script."""

import subprocess

import sqlalchemy as sa

from dialects.native_kit import mistyped, on_sqlite
from moorage.kit.ids import new_key_text

pytestmark = on_sqlite


def path_of(token: str) -> str:
    return f"/devices/v2/{token}/install.sh"


def parses(script: str) -> bool:
    return subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh"], input=script, text=True, capture_output=True, check=False, timeout=20, env={}
    )


def check_refusal(answer, status: int) -> None:
    """A refusal is a script that does nothing but say why, and fails."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/x-shellscript")
    assert answer.headers["cache-control"] == "no-store"
    assert parses(answer.text)
    done = run(answer.text)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "owner" in done.stderr


async def test_the_installer_of_a_good_token_is_a_script_for_this_server(api):
    made = await api.make()
    answer = await api.client.get(path_of(made["install_token"]), headers={"Host": "evil.example"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/x-shellscript")
    assert answer.headers["cache-control"] == "no-store"
    assert parses(answer.text)
    assert made["install_token"] in answer.text
    assert "http://moorage.test" in answer.text
    assert "evil.example" not in answer.text


async def test_fetching_the_installer_does_not_spend_the_token(api):
    made = await api.make()
    for _ in range(3):
        assert (await api.client.get(path_of(made["install_token"]))).status_code == 200
    await api.enroll(made)


async def test_an_unknown_spent_or_mistyped_token_is_not_found(api):
    device, fresh = await api.enroll(), await api.make()
    for token in (
        *(device.install_token, mistyped(fresh["install_token"]), new_key_text("inst")),
        *("x", "inst_", api.running.live_key, "$(reboot)", "'; reboot %23", "%0areboot"),
    ):
        answer = await api.client.get(path_of(token))
        check_refusal(answer, 404)
        assert "reboot" not in answer.text


async def test_an_expired_token_is_gone(api):
    made = await api.make()
    async with api.running.db.write() as tx:
        # Not so long ago that it is cleared out already.
        await tx.run(sa.text("UPDATE install_tokens SET expires_at = created_at - 1"))
    check_refusal(await api.client.get(path_of(made["install_token"])), 410)


async def test_head_is_answered_and_other_methods_are_not(api):
    made = await api.make()
    path = path_of(made["install_token"])
    assert (await api.client.head(path)).status_code == 200
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await api.client.request(method, path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"


async def test_other_addresses_below_devices_are_not_found(api):
    made = await api.make()
    token = made["install_token"]
    for path in (
        *("/devices/", "/devices/v1/x/install.sh"),
        *(f"/devices/v2/{token}", f"/devices/v2/{token}/install.sh/", "/devices/v2//install.sh"),
        *(f"/devices/v2/a%2f{token}/install.sh", "/devices/v2/" + "a" * 129 + "/install.sh"),
    ):
        answer = await api.client.get(path)
        assert answer.status_code == 404, path
        assert token not in answer.text
