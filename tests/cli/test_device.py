"""Devices by what people call them: listed, shown, made; and how a script is told."""

import json
import re

import httpx
import pytest

ID = re.compile(r"dev_[0-9a-f]{24}")


def auth(cli):
    return {"Authorization": f"Bearer {cli.key}"}


def of_server(cli, path):
    """What the server itself says, not through our client."""
    answer = httpx.get(f"{cli.url}/v1/{path}", headers=auth(cli))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_device_made_is_on_the_server_and_its_line_works(cli):
    made = cli.json(
        *("device", "create", "camera 1", "--type", "jetson", "--tag", "lab", "--tag", "north"),
        *("--reference", "asset-1"),
    )
    there = of_server(cli, f"devices/{made['id']}")
    assert there["name"] == "camera 1"
    assert there["type"] == "jetson"
    assert sorted(there["tags"]) == ["lab", "north"]
    assert there["reference"] == "asset-1"
    script = re.search(r"http://\S+/install\.sh", made["install_command"])[0]
    assert httpx.get(script).status_code == 200


def test_for_people_the_line_to_paste_stands_alone(cli):
    shown = cli.ok("device", "create", "pasted").splitlines()
    (line,) = [line for line in shown if line.strip().startswith("curl ")]
    assert "install.sh" in line
    assert ID.search(shown[0])


def test_a_dry_run_makes_nothing_and_shows_what_it_would(cli):
    done = cli.run("device", "create", "ghost", "--tag", "t", "--dry-run")
    assert done.returncode == 0
    assert '+  "name": "ghost",' in done.stdout.splitlines()
    shown = cli.json("device", "create", "ghost", "--tag", "t", "--dry-run")
    assert shown["dry_run"] is True
    assert shown["before"] is None
    assert shown["after"]["name"] == "ghost"
    assert [d for d in of_server(cli, "devices")["data"] if d["name"] == "ghost"] == []


def test_a_device_is_found_by_id_reference_and_unique_name(cli):
    made = cli.json("device", "create", "gate", "--reference", "asset-gate")
    for named in (made["id"], "gate", "asset-gate"):
        assert cli.json("device", "get", named)["id"] == made["id"]
    assert made["id"] in cli.ok("device", "get", "gate")


def test_a_name_is_whole_and_a_part_of_it_stands_for_nothing(cli):
    cli.ok("device", "create", "warehouse door")
    assert "warehouse" in cli.refused(3, "device", "get", "warehouse")


@pytest.mark.parametrize("name", ["100%_[a]*", "a/b?c#d&e", "Tür ¼ 東", "--dashed", "'\\"])
def test_any_name_can_be_asked_for(cli, name):
    made = json.loads(cli.ok("device", "create", "--json", "--", name))
    assert of_server(cli, f"devices/{made['id']}")["name"] == name
    assert json.loads(cli.ok("device", "get", "--json", "--", name))["id"] == made["id"]


def test_a_name_of_several_devices_lists_them_and_is_refused(cli):
    ids = [cli.json("device", "create", "twin")["id"] for _ in range(2)]
    said = cli.refused(2, "device", "get", "twin")
    for one in ids:
        assert one in said
        assert cli.json("device", "get", one)["id"] == one


def test_a_name_that_is_anothers_reference_is_refused_too(cli):
    first = cli.json("device", "create", "both")["id"]
    second = cli.json("device", "create", "second", "--reference", "both")["id"]
    said = cli.refused(2, "device", "get", "both")
    assert first in said
    assert second in said


def test_what_is_not_there_is_exit_3(cli):
    cli.refused(3, "device", "get", "nowhere")
    cli.refused(3, "device", "get", "dev_" + "0" * 24)
    cli.refused(2, "device", "get", "")


def test_a_reference_another_device_has_is_exit_5_also_in_a_dry_run(cli):
    cli.ok("device", "create", "first", "--reference", "only-one")
    cli.refused(5, "device", "create", "again", "--reference", "only-one")
    said = cli.refused(5, "device", "create", "again", "--reference", "only-one", "--dry-run")
    assert "first" in said


@pytest.mark.parametrize("name", ["", "x" * 257], ids=["empty", "too long"])
def test_a_name_that_cannot_be_is_exit_2(cli, name):
    assert "/name" in cli.refused(2, "device", "create", name)


def test_the_list_takes_the_filters_of_the_api(cli):
    red = cli.json("device", "create", "l1", "--tag", "filter", "--tag", "red")["id"]
    blue = cli.json(
        "device", "create", "l2", "--tag", "filter", "--tag", "blue", "--type", "special"
    )["id"]

    def listed(*options):
        return [one["id"] for one in cli.json("device", "list", *options)]

    assert listed("--tag", "filter") == [blue, red]
    assert listed("--tag", "filter", "--sort", "name") == [red, blue]
    assert listed("--tag", "filter", "--tag", "red") == [red]
    assert listed("--type", "special") == [blue]
    assert listed("-q", "l2", "--tag", "filter") == [blue]
    assert listed("--tag", "filter", "--limit", "1") == [blue]
    assert listed("--tag", "filter", "--status", "online") == []
    assert listed("--tag", "filter", "--status", "online", "--status", "never_seen") == [blue, red]
    assert cli.json("device", "list", "--tag", "filter", "--counts")["never_seen"] == 2
    assert "status" in cli.refused(2, "device", "list", "--status", "asleep")


def test_a_piped_list_has_a_row_a_device_and_tabs_between(cli):
    made = cli.json("device", "create", "tabbed", "--tag", "piped")
    head, row = cli.ok("device", "list", "--tag", "piped").splitlines()
    assert head.split("\t")[:3] == ["id", "name", "status"]
    assert row.split("\t")[:3] == [made["id"], "tabbed", "never_seen"]


def test_a_wrong_command_line_is_exit_2(cli):
    for arguments in (("device", "get"), ("device", "fly"), ("device", "list", "--limit", "0")):
        done = cli.run(*arguments)
        assert done.returncode == 2, done.stderr
        assert done.stdout == ""
