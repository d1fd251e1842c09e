"""`moorage backup` and `moorage restore` as a person or a script runs them."""

import json

import pytest

from server.commands import sentence_of
from support.prestarted import prestarted
from support.wheel import clean_env

WORDS = "several words that nobody guesses"


def moorage(*arguments):
    return prestarted().run([str(argument) for argument in arguments], clean_env())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    made = moorage("bootstrap", "--workspace", "acme", "--json", "--data", folder)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture
def passphrase(tmp_path):
    path = tmp_path / "passphrase"
    path.write_text(f"{WORDS}\n")
    return path


def test_a_backup_says_what_is_in_it_and_what_is_not(data, tmp_path):
    told = moorage("backup", tmp_path / "night", "--data", data)
    assert told.returncode == 0, told.stderr
    assert "Read back and found whole." in told.stdout
    assert "keys are not in it" in told.stdout
    restored = moorage("restore", tmp_path / "night", "--data", tmp_path / "other")
    assert restored.returncode == 0, restored.stderr
    assert "put their folder back" in restored.stdout


def test_json_is_all_that_is_printed_and_both_commands_agree(data, tmp_path, passphrase):
    sealed = ("--with-keys", "--passphrase-file", passphrase, "--json")
    done = moorage("backup", tmp_path / "night", *sealed, "--data", data)
    assert done.stderr == ""
    made = json.loads(done.stdout)
    assert made["with_keys"] is True
    assert made["tables"]["workspaces"]["rows"] == 1
    assert made["bytes"] == (tmp_path / "night").stat().st_size
    back = moorage("restore", tmp_path / "night", *sealed, "--data", tmp_path / "other")
    assert back.stderr == ""
    restored = json.loads(back.stdout)
    assert restored["keys"] == "restored"
    assert restored["tables"] == made["tables"]
    assert WORDS not in done.stdout + back.stdout


def test_a_restored_server_is_found_good_by_doctor(data, tmp_path, passphrase):
    sealed = ("--with-keys", "--passphrase-file", passphrase)
    assert moorage("backup", tmp_path / "night", *sealed, "--data", data).returncode == 0
    there = ("--data", tmp_path / "other")
    assert moorage("restore", tmp_path / "night", *sealed, *there).returncode == 0
    looked = moorage("doctor", *there)
    assert looked.returncode == 0, looked.stdout
    assert "the keys belong to it" in looked.stdout


def test_what_is_asked_for_wrongly_is_refused_in_one_sentence(data, tmp_path, passphrase):
    file = tmp_path / "night"
    short = tmp_path / "short"
    short.write_text("short\n")
    refusals = {
        "at least 12 characters": ("--with-keys", "--passphrase-file", short),
        "add --with-keys": ("--passphrase-file", passphrase),
        "cannot be read": ("--with-keys", "--passphrase-file", tmp_path / "absent"),
    }
    for words, options in refusals.items():
        assert words in sentence_of(moorage("backup", file, *options, "--data", data))
    absent = moorage("backup", file, "--data", tmp_path / "absent")
    assert "there is no database" in sentence_of(absent)
    assert not (tmp_path / "absent").exists()
    assert not file.exists()


def test_a_passphrase_for_a_backup_without_keys_is_refused(data, tmp_path, passphrase):
    assert moorage("backup", tmp_path / "night", "--data", data).returncode == 0
    options = ("--passphrase-file", passphrase, "--data", tmp_path / "other")
    done = moorage("restore", tmp_path / "night", *options)
    assert "made without keys" in sentence_of(done)


def test_what_is_no_backup_is_refused_in_one_sentence(tmp_path):
    file = tmp_path / "other"
    file.write_text("a letter")
    there = ("--data", tmp_path / "data")
    assert "no backup of Moorage" in sentence_of(moorage("restore", file, *there))
    assert "there is no file" in sentence_of(moorage("restore", tmp_path / "absent", *there))
