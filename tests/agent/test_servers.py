"""What an agent believes of a list of servers, and of an offer of a newer agent."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from moorage_agent import installed, servers, update_offer
from moorage_agent.installed import App
from moorage_agent.update_offer import Offer, Running, Wanted

SIGNER = Ed25519PrivateKey.generate()
KEY = SIGNER.public_key().public_bytes_raw()


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(mark: str, document: object, signer: Ed25519PrivateKey = SIGNER) -> str:
    text = f"{mark}.{unpadded(json.dumps(document).encode())}"
    return f"{text}.{unpadded(signer.sign(text.encode()))}"


ENTRY = {"url": "https://a.example/", "pin": "sha256:" + "0" * 64}
LIST = {"v": 1, "servers": [ENTRY, {"url": "http://b.example"}], "issued_at": 5}


def test_a_list_is_read_in_its_order():
    found = servers.listed(signed("MRS1", LIST), KEY)
    assert found.issued_at == 5
    assert [address.url for address in found.addresses] == ["https://a.example", "http://b.example"]
    assert found.addresses[0].pin == ENTRY["pin"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no signed list"),
        (["MRS1"], "no signed list"),
        ("https://a.example", "no signed list"),
        (signed("MRU1", LIST), "no signed list"),
        (signed("MRS1", LIST, Ed25519PrivateKey.generate()), "not signed with the key"),
        (signed("MRS1", LIST).replace("MRS1.ey", "MRS1.eX"), "not signed with the key"),
        (signed("MRS1", {**LIST, "v": 2}), "of a form"),
        (signed("MRS1", {**LIST, "servers": []}), "of a form"),
        (signed("MRS1", {**LIST, "servers": [ENTRY] * 17}), "of a form"),
        (signed("MRS1", {**LIST, "issued_at": True}), "of a form"),
        (signed("MRS1", {**LIST, "servers": ["https://a.example"]}), "no address"),
        (signed("MRS1", {**LIST, "servers": [{**ENTRY, "pin": 5}]}), "no text"),
        (signed("MRS1", [LIST]), "of a form"),
    ],
    ids=range(13),
)
def test_what_is_no_list_of_the_server_is_none(text, reason):
    with pytest.raises(ValueError, match=reason):
        servers.listed(text, KEY)


IN_ORDER = ["0.9", "1.0.dev1", "1.0a1", "1.0a2", "1.0b1", "1.0rc1", "1.0", "1.0.1", "1.10", "2"]


def test_versions_are_compared_as_people_mean_them():
    for at, one in enumerate(IN_ORDER):
        for place, other in enumerate(IN_ORDER):
            assert update_offer.is_newer(one, other) == (at > place), (one, other)
    assert not update_offer.is_newer("1.0.0", "1.0")
    assert not update_offer.is_newer("1.0", "1.0.0")
    assert not update_offer.is_newer("1.0+build.5", "1.0")
    assert not update_offer.is_newer("tomorrow", "1.0")
    assert not update_offer.is_newer("1.0", "tomorrow")


@pytest.mark.parametrize(
    ("version", "wanted", "taken"),
    [
        ("1.1", Wanted(), True),
        ("1.0", Wanted(), True),  # another build of it, asked for by a person
        ("0.9", Wanted(), False),
        ("0.9", Wanted("0.9"), False),
        ("0.9", Wanted(downgrade=True), True),
        ("0.9", Wanted("0.8", downgrade=True), False),
        ("1.1", Wanted("1.1"), True),
        ("1.1", Wanted("1.2"), False),
    ],
)
def test_an_older_agent_is_taken_only_when_that_was_said(version, wanted, taken):
    offer = Offer(version, "0" * 64, 5, "/agent")
    reason = update_offer.why_not(offer, Running("1.0", "1" * 64), wanted)
    assert (reason is None) == taken


@pytest.mark.parametrize(
    "changed",
    [
        {"version": "latest"},
        {"version": None},
        {"sha256": "0" * 63},
        {"sha256": "A" * 64},
        {"size": 0},
        {"size": True},
        {"size": update_offer.LARGEST_BYTES + 1},
        {"v": 2},
    ],
)
def test_an_offer_of_another_form_is_none(changed):
    about = {"v": 1, "version": "1.0", "sha256": "0" * 64, "size": 5}
    good = {"signed": signed("MRU1", about), "path": "/agent"}
    assert update_offer.offer_of(good, KEY) == Offer("1.0", "0" * 64, 5, "/agent")
    with pytest.raises(ValueError, match="form not known"):
        update_offer.offer_of({**good, "signed": signed("MRU1", {**about, **changed})}, KEY)
    for path in ("https://elsewhere.example/agent", "agent", None, "/a b"):
        with pytest.raises(ValueError, match="form not known"):
            update_offer.offer_of({**good, "path": path}, KEY)


def test_an_agent_that_may_not_write_its_file_is_not_updated(tmp_path, monkeypatch):
    app = App(str(tmp_path / "agent.pyz"), "0" * 64)
    started = ["python3", app.path]
    monkeypatch.setattr(installed.restart, "program", lambda: started)
    assert installed.why_fixed(app) is None
    # As root may write anywhere, a read-only file system is what stands against it.
    monkeypatch.setattr(installed.os, "access", lambda _path, _mode: False)
    assert "may not write" in installed.why_fixed(app)
    started[1] = "/elsewhere/agent.pyz"
    assert "how it was started" in installed.why_fixed(app)
    assert "sources or a package" in installed.why_fixed(None)


def test_the_swap_keeps_what_ran_before_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def refuse(*_paths):
        raise OSError

    app = App(str(tmp_path / "agent.pyz"), "0" * 64)
    (tmp_path / "agent.pyz").write_text("old")
    for linked in (True, False):
        if not linked:
            monkeypatch.setattr(installed.os, "link", refuse)
        installed.write_next(app, b"new")
        installed.swap(app)
        assert (tmp_path / "agent.pyz").read_text() == "new"
        assert (tmp_path / "agent.pyz.previous").read_text() == "old"
        installed.swap_back(app)
        assert [path.name for path in tmp_path.iterdir()] == ["agent.pyz"]
