"""Many devices at once: from a table, and from another server of that API."""

import csv
import itertools
import json
from dataclasses import dataclass

import pytest

from cli.devices import asked, made
from moorage.cli.owner.importing import reference_of
from support.server import ServerProcess


def table(tmp_path, *rows, columns=("name", "type", "tags", "reference")):
    path = tmp_path / "devices.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def there(cli):
    """All devices of the workspace by reference, as the server says."""
    return {one["reference"]: one for one in asked(cli, "devices?limit=500")["data"]}


def test_each_row_becomes_a_device(cli, tmp_path):
    path = table(
        tmp_path, ["cam, north", "jetson", "lab; north ;", "t-1"], ["plain", "", "", "t-2"]
    )
    rows = cli.json("device", "import", "--csv", path)
    assert [row["result"] for row in rows] == ["made", "made"]
    assert [row["from"] for row in rows] == ["line 2", "line 3"]
    found = there(cli)
    assert found["t-1"]["id"] == rows[0]["id"]
    assert found["t-1"]["name"] == "cam, north"
    assert found["t-1"]["type"] == "jetson"
    assert sorted(found["t-1"]["tags"]) == ["lab", "north"]
    assert found["t-2"]["tags"] == []


def test_a_second_run_skips_what_is_there(cli, tmp_path):
    path = table(tmp_path, ["again", "", "", "again-1"])
    assert cli.json("device", "import", "--csv", path)[0]["result"] == "made"
    before = len(there(cli))
    assert cli.json("device", "import", "--csv", path)[0]["result"] == "skipped"
    assert len(there(cli)) == before


def test_a_dry_run_finds_what_is_wrong_and_makes_nothing(cli, tmp_path):
    made(cli, "old", reference="dry-old")
    before = there(cli).keys()
    path = table(
        tmp_path,
        ["fine", "", "", "dry-1"],
        ["", "", "", "dry-2"],
        ["x" * 257, "", "", "dry-3"],
        ["twice", "", "", "dry-1"],
        ["old", "", "", "dry-old"],
        ["short"],
    )
    done = cli.run("device", "import", "--csv", path, "--dry-run", "--json")
    assert done.returncode == 7
    results = [row["result"] for row in json.loads(done.stdout)]
    assert results == ["would make", "failed", "failed", "failed", "skipped", "failed"]
    assert there(cli).keys() == before


def test_rows_that_fail_are_said_and_the_others_are_made(cli, tmp_path):
    path = table(
        tmp_path,
        ["good", "", "", "part-1"],
        ["bell \x07", "", "", "part-2"],
        ["good too", "", "", "part-3"],
    )
    done = cli.run("device", "import", "--csv", path)
    assert done.returncode == 7
    assert "\x07" not in done.stdout
    head, first, second, third = done.stdout.splitlines()
    assert head.startswith("from\tname\tresult")
    assert [line.split("\t")[2] for line in (first, second, third)] == ["made", "failed", "made"]
    assert "/name" in second
    assert {"part-1", "part-3"} <= there(cli).keys()
    assert "part-2" not in there(cli)


def test_a_table_in_which_all_rows_are_wrong_is_exit_2(cli, tmp_path):
    assert cli.run("device", "import", "--csv", table(tmp_path, ["", "", "", ""])).returncode == 0
    done = cli.run("device", "import", "--csv", table(tmp_path, ["", "x", "", ""]))
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name,colour\na,red\n", "colour"),
        (b"type,tags\na,b\n", "name"),
        (b"", "nothing"),
        (b"name,name\na,b\n", "once"),
        (b'name\n"never closed\n', "line"),
        (b"name\n\xff\xfe\n", "UTF-8"),
    ],
    ids=["another column", "no name", "empty", "twice", "not CSV", "not UTF-8"],
)
def test_what_is_no_such_table_is_exit_2_before_anything_is_made(cli, tmp_path, content, words):
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)
    assert words in cli.refused(2, "device", "import", "--csv", path)


def test_a_table_as_spreadsheets_save_it_is_read(cli, tmp_path):
    path = tmp_path / "excel.csv"
    path.write_bytes("\ufeffName,Reference\r\nTür,excel-1\r\n\r\n".encode())
    (row,) = cli.json("device", "import", "--csv", path)
    assert row["name"] == "Tür"
    assert there(cli)["excel-1"]["name"] == "Tür"


def test_a_file_that_is_not_there_is_said(cli, tmp_path):
    assert "nowhere.csv" in cli.refused(1, "device", "import", "--csv", tmp_path / "nowhere.csv")
    cli.refused(2, "device", "import")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A second server of ours, which speaks that API."""
    process = ServerProcess(
        tmp_path_factory.mktemp("other"), env={"MOORAGE_RATE_LIMITS": "off"}
    ).start()
    yield process
    assert process.stop() == 0


_numbers = itertools.count(1)


@dataclass
class Source:
    """A workspace of that server; `url` and `key` are what the helpers ask with."""

    url: str
    workspace: str
    key: str


@pytest.fixture
def source(other):
    workspace = f"source-{next(_numbers)}"
    return Source(other.base_url, workspace, other.bootstrap(workspace)["api_key"])


def take_over(cli, source, *options):
    done = cli.run(
        *("device", "import", "roboflow", "--from", source.url),
        *("--workspace", source.workspace, "--key-stdin", "--json", *options),
        stdin=source.key,
    )
    assert source.key not in done.stdout + done.stderr
    return done


def rows_of(done, code=0):
    assert done.returncode == code, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)}


def known_here(source, device):
    """The reference of a device taken over: an id of ours goes by its workspace too."""
    return f"{source.workspace}:{device.id}"


def filled(source):
    """Two devices there; one has a config of its own, with a secret."""
    first = made(source, "cam 1", tags=["lab"], type="jetson")
    second = made(source, "cam 2")
    config = {
        "config": {"log_level": "debug"},
        "services": {"app": {"image": "a", "environment_variables": {"TOKEN": "hunter2"}}},
        "streams": {"s1": {"name": "door", "source": "rtsp://u:p@camera/1"}},
    }
    asked(source, f"devices/{first.id}/config", "PATCH", config)
    return first, second, config


def test_devices_and_configs_are_taken_over_from_another_server(cli, source):
    first, second, config = filled(source)
    rows = rows_of(take_over(cli, source))
    assert {name: row["result"] for name, row in rows.items()} == {"cam 1": "made", "cam 2": "made"}
    found = there(cli)
    copy = found[known_here(source, first)]
    assert (copy["name"], copy["tags"], copy["type"]) == ("cam 1", ["lab"], "jetson")
    taken = asked(cli, f"devices/{copy['id']}/config")
    theirs = asked(source, f"devices/{first.id}/config")["document"]
    assert taken["document"] == theirs
    # Only what differs from what every device has stands in the device's own layer.
    assert taken["own"] == config
    assert asked(cli, f"devices/{found[known_here(source, second)]['id']}/config")["own"] == {}
    for row in rows.values():
        assert "hunter2" not in json.dumps(row)


def test_an_id_there_is_the_reference_here_unless_it_could_be_an_id_here():
    assert reference_of("acme", "b7c1-42") == "b7c1-42"
    ours = "dev_" + "0" * 24
    assert reference_of("acme", ours) == f"acme:{ours}"


def test_a_dry_run_of_taking_over_changes_nothing(cli, source):
    filled(source)
    before = there(cli).keys()
    rows = rows_of(take_over(cli, source, "--dry-run"))
    assert {row["result"] for row in rows.values()} == {"would make"}
    assert there(cli).keys() == before


def test_taking_over_again_adds_what_is_new_and_skips_what_is_there(cli, source):
    first, _, _ = filled(source)
    take_over(cli, source)
    copy = there(cli)[known_here(source, first)]["id"]
    asked(cli, f"devices/{copy}/config", "PATCH", {"config": {"log_level": "error"}})
    made(source, "cam 3")
    rows = rows_of(take_over(cli, source))
    assert {name: row["result"] for name, row in rows.items()} == {
        "cam 1": "skipped",
        "cam 2": "skipped",
        "cam 3": "made",
    }
    # What was changed here since stays changed.
    assert asked(cli, f"devices/{copy}/config")["own"]["config"] == {"log_level": "error"}


def test_a_run_that_was_cut_short_between_device_and_config_is_completed(cli, source):
    first, _, config = filled(source)
    half = made(cli, "cam 1", reference=known_here(source, first))
    rows = rows_of(take_over(cli, source))
    assert rows["cam 1"]["result"] == "configured"
    assert asked(cli, f"devices/{half.id}/config")["own"] == config


def test_a_config_that_is_refused_here_fails_its_row_alone(cli, source):
    filled(source)
    narrow = asked(
        cli,
        "api-keys",
        "POST",
        {"name": "no config", "scopes": ["device:read", "device:update", "config:read"]},
    )
    cli.key = narrow["key"]
    cli.login()
    rows = rows_of(take_over(cli, source), 7)
    assert {name: row["result"] for name, row in rows.items()} == {
        "cam 1": "failed",
        "cam 2": "made",
    }
    assert "config:write" in rows["cam 1"]["detail"]


def test_a_source_that_refuses_ends_in_a_sentence_and_its_code(cli, source):
    filled(source)
    key, source.key = source.key, "sk_live_" + "0" * 48
    assert take_over(cli, source).returncode == 4
    source.key, source.workspace = key, "elsewhere"
    assert take_over(cli, source).returncode == 4
    source.url = "http://127.0.0.1:1"
    done = take_over(cli, source)
    assert (done.returncode, done.stdout) == (1, "")
    source.url = "file:///etc"
    assert take_over(cli, source).returncode == 2


def test_something_else_than_that_api_is_said(cli, source, other):
    made(source, "cam")
    source.url = other.base_url + "/v1"
    done = take_over(cli, source)
    assert (done.returncode, done.stdout) == (3, "")
