"""The settings of a provider of identities: what is refused, and that its secret is not shown."""

import pytest
from pydantic import ValidationError

from moorage.server import load_settings
from moorage.server.identity import admission_of, provider_of
from moorage.server.opening import SetupError
from server.commands import moorage

GIVEN = {"issuer": "https://login.example.com/acme", "client_id": "moorage", "workspace": "acme"}


def oidc(**changes):
    return load_settings(oidc={**GIVEN, **changes}).oidc


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://login.example.com"},
        {"issuer": "https://user:password@login.example.com"},
        {"issuer": "https://login.example.com?tenant=1"},
        {"issuer": "login.example.com"},
        {"roles": {"admins": "owner"}},
        {"role_claim": "groups"},
        {"role_claim": "groups", "roles": {"admins": "king"}},
        {"default_role": "king"},
        {"scopes": ["email"]},
        {"client_id": ""},
        {"unknown": 1},
    ],
)
def test_what_cannot_work_or_is_not_safe_is_refused(changes):
    with pytest.raises(ValidationError):
        oidc(**changes)


def test_a_provider_on_this_machine_may_be_without_tls():
    assert oidc(issuer="http://127.0.0.1:8080/realms/acme").issuer.startswith("http:")


def test_domains_are_compared_whatever_their_case():
    admission = admission_of(oidc(allowed_domains=["Example.COM"]))
    assert admission.has_domain("ada@example.com")
    assert not admission.has_domain("ada@sub.example.com")


def test_certificates_that_cannot_be_used_are_named_at_start(tmp_path):
    with pytest.raises(SetupError, match=r"oidc\.ca_bundle"):
        provider_of(oidc(ca_bundle=tmp_path / "none.pem"))


def test_its_secret_is_not_shown(tmp_path):
    env = {f"MOORAGE_OIDC__{name.upper()}": value for name, value in GIVEN.items()}
    done = moorage(
        *("settings", "--data", tmp_path), env={**env, "MOORAGE_OIDC__CLIENT_SECRET": "hunter2"}
    )
    assert done.returncode == 0, done.stderr
    assert "login.example.com" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
