"""Portainer's settings: all or none of them, and nothing that could not work."""

import os

import pytest
from pydantic import ValidationError

from moorage.server import load_settings
from moorage.server.environments import setup_of
from server.commands import moorage, sentence_of

GOOD = {"URL": "https://portainer.example.com:9443", "API_KEY": "ptr_hunter2/hunter2+hunter2="}


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch):
    for name in [name for name in os.environ if name.startswith("MOORAGE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def read(monkeypatch):
    def load(**named):
        for name, value in named.items():
            monkeypatch.setenv(f"MOORAGE_PORTAINER__{name}", value)
        return load_settings().portainer

    return load


def test_without_any_there_is_no_portainer(read):
    assert read() is None


def test_two_of_them_are_enough(read):
    found = setup_of(read(**GOOD))
    assert (found.url, found.device_url) == (GOOD["URL"], GOOD["URL"])
    assert found.api_key == GOOD["API_KEY"]
    assert (found.tunnel_address, found.group_id, found.tag_ids) == (None, None, ())
    assert found.verify
    assert not read().required


def test_all_of_them_come_from_the_environment(read, tmp_path):
    found = read(
        **GOOD,
        DEVICE_URL="https://edge.example.com/",
        TUNNEL_ADDRESS="edge.example.com:8000",
        GROUP_ID="3",
        TAG_IDS="[1,2]",
        CHECKIN_INTERVAL_S="30",
        CA_BUNDLE=str(tmp_path / "ca.pem"),
        VERIFY="false",
        TIMEOUT_S="2.5",
        REQUIRED="true",
    )
    setup = setup_of(found)
    assert setup.device_url == "https://edge.example.com"
    assert setup.tunnel_address == "edge.example.com:8000"
    assert (setup.group_id, setup.tag_ids, setup.checkin_interval_s) == (3, (1, 2), 30)
    assert setup.ca_bundle == tmp_path / "ca.pem"
    assert (setup.verify, setup.timeout_s, found.required) == (False, 2.5, True)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"URL": ""}, "portainer.url"),
        ({"URL": "portainer.example.com"}, "portainer.url"),
        ({"URL": "https://user:hunter2@portainer.example.com"}, "portainer.url"),
        ({"URL": "file:///etc/passwd"}, "portainer.url"),
        ({"API_KEY": ""}, "portainer.api_key"),
        ({"API_KEY": "hunter2\r\nX-Evil: 1"}, "portainer.api_key"),
        ({"DEVICE_URL": "edge.example.com"}, "portainer.device_url"),
        ({"TUNNEL_ADDRESS": "edge.example.com"}, "portainer.tunnel_address"),
        ({"TUNNEL_ADDRESS": "https://edge.example.com:8000"}, "portainer.tunnel_address"),
        ({"GROUP_ID": "0"}, "portainer.group_id"),
        ({"TAG_IDS": "[0]"}, "portainer.tag_ids.0"),
        ({"CHECKIN_INTERVAL_S": "0"}, "portainer.checkin_interval_s"),
        ({"TIMEOUT_S": "0"}, "portainer.timeout_s"),
        ({"TIMEOUT_S": "31"}, "portainer.timeout_s"),
        ({"APIKEY": "hunter2"}, "portainer.apikey"),
    ],
)
def test_what_is_wrong_is_named_and_its_value_is_not(read, wrong, where):
    with pytest.raises(ValidationError) as refused:
        read(**GOOD | wrong)
    assert ".".join(map(str, refused.value.errors()[0]["loc"])) == where
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("missing", GOOD)
def test_one_alone_is_not_enough(read, missing):
    with pytest.raises(ValidationError, match=missing.lower()):
        read(**{name: value for name, value in GOOD.items() if name != missing})


@pytest.mark.parametrize(
    "addresses",
    [
        {"URL": "http://localhost:9000"},
        {"DEVICE_URL": "https://localhost:9443"},
        {"DEVICE_URL": "https://LOCALHOST./"},
    ],
)
def test_localhost_for_devices_is_refused_with_what_would_be_right(read, addresses):
    with pytest.raises(ValidationError, match="set device_url to one they reach"):
        read(**GOOD | addresses)


def test_this_server_may_reach_it_at_localhost_when_devices_do_elsewhere(read):
    found = read(
        **GOOD | {"URL": "http://localhost:9000", "DEVICE_URL": "https://edge.example.com"}
    )
    assert found.devices_url == "https://edge.example.com"
    assert read(DEVICE_URL="http://127.0.0.1:9000").devices_url == "http://127.0.0.1:9000"


def test_the_token_is_never_printed(read):
    found = read(**GOOD)
    env = {f"MOORAGE_PORTAINER__{name}": value for name, value in GOOD.items()}
    shown = moorage("settings", env=env)
    wrong = moorage("settings", env=env | {"MOORAGE_PORTAINER__GROUP_ID": "hunter2"})
    assert shown.returncode == 0
    assert "portainer.group_id" in sentence_of(wrong)
    printed = [repr(found), repr(setup_of(found)), shown.stdout, shown.stderr, wrong.stderr]
    assert not [text for text in printed if "hunter2" in text]
