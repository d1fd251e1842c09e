"""The service under a real systemd: it starts, is locked in, comes back, and stops."""

import json
import resource
import signal
import sys
import sysconfig
import time
from pathlib import Path

import pytest

import moorage
from support import systemd

_WHY_NOT = systemd.why_not()
pytestmark = pytest.mark.skipif(_WHY_NOT is not None, reason=str(_WHY_NOT))
PROGRAM = Path("/opt/moorage/bin/moorage")
# An installation for everybody, of what is tested here, wherever that is.
_PARTS = {Path(moorage.__file__).parents[1]: "/opt/parts/src"}
_PARTS[Path(sysconfig.get_path("purelib"))] = "/opt/parts/libraries"
_PACKAGES = "/opt/moorage/lib/python{}.{}/site-packages".format(*sys.version_info)
_INSTALL = f"""
set -eu
umask 022
{Path(sys.executable).resolve()} -m venv --without-pip /opt/moorage
printf '%s\\n' {" ".join(_PARTS.values())} > {_PACKAGES}/parts.pth
printf '#!/opt/moorage/bin/python\\nfrom moorage.cli.main import main\\nmain()\\n' > {PROGRAM}
chmod 755 {PROGRAM}
"""
HEALTH = "http://127.0.0.1:8400/healthz"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with systemd.booted(tmp_path_factory.mktemp("machine") / "files", _PARTS) as started:
        for parent in Path(sys.executable).resolve().parents:  # it may be in somebody's home
            started.run("chmod", "a+rx", parent)
        made = started.run("sh", "-c", _INSTALL)
        assert made.returncode == 0, made.stderr
        installed = started.run(PROGRAM, "service", "install")
        assert installed.returncode == 0, installed.stdout + installed.stderr + said_by(started)
        yield started


def said_by(machine) -> str:
    return machine.run("journalctl", "--unit=moorage", "--no-pager", "--lines=30").stdout


def answers(machine) -> bool:
    for _ in range(100):
        if machine.run("curl", "-sf", "-m", "2", HEALTH).returncode == 0:
            return True
        time.sleep(0.1)
    return False


def of_process(machine, name: str) -> str:
    pid = machine.shown("moorage", "MainPID")["MainPID"]
    lines = machine.run("cat", f"/proc/{pid}/status").stdout.splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{name}:"))


def test_it_runs_as_its_own_user_with_nothing_but_its_data_to_write(machine):
    assert answers(machine), said_by(machine)
    user = machine.run("id", "--user", "moorage").stdout.strip()
    assert of_process(machine, "Uid").split() == [user] * 4
    assert user != "0"
    assert of_process(machine, "CapEff") == "0" * 16
    assert of_process(machine, "NoNewPrivs") == "1"
    assert of_process(machine, "Seccomp") == "2"
    limits = machine.run("cat", f"/proc/{machine.shown('moorage', 'MainPID')['MainPID']}/limits")
    (files,) = [line for line in limits.stdout.splitlines() if line.startswith("Max open files")]
    # A systemd that may not raise the limit it was started with gives what it has.
    assert files.split()[3] in {"262144", str(resource.getrlimit(resource.RLIMIT_NOFILE)[1])}
    assert machine.shown("moorage", "LimitNOFILE") == {"LimitNOFILE": "262144"}
    data = machine.run("stat", "--format=%a %U", "/var/lib/moorage").stdout.split()
    assert data == ["700", "moorage"]
    assert machine.run("test", "-f", "/var/lib/moorage/db/moorage.db").returncode == 0


def test_a_workspace_made_beside_it_is_served(machine):
    made = machine.run(
        *("setpriv", "--reuid=moorage", "--regid=moorage", "--clear-groups"),
        *(PROGRAM, "bootstrap", "--data", "/var/lib/moorage", "--workspace", "acme", "--json"),
    )
    assert made.returncode == 0, made.stderr
    authorization = f"Authorization: Bearer {json.loads(made.stdout)['api_key']}"
    url = "http://127.0.0.1:8400/v1/devices"
    device = machine.run(
        *("curl", "-sf", "-m", "5", "-H", authorization, "-H", "Content-Type: application/json"),
        *("-d", '{"name": "gateway"}', url),
    )
    assert device.returncode == 0, said_by(machine)
    assert "gateway" in machine.run("curl", "-sf", "-H", authorization, url).stdout


def test_killed_it_comes_back_by_itself(machine):
    before = machine.shown("moorage", "MainPID", "NRestarts")
    machine.run("kill", f"-{signal.SIGKILL.value}", before["MainPID"])
    for _ in range(100):
        now = machine.shown("moorage", "MainPID", "NRestarts", "SubState")
        if now["MainPID"] not in {"0", before["MainPID"]}:
            break
        time.sleep(0.1)
    assert int(now["NRestarts"]) == int(before["NRestarts"]) + 1
    assert answers(machine), said_by(machine)


def test_installed_again_it_goes_on_with_its_data(machine):
    again = machine.run(PROGRAM, "service", "install")
    assert again.returncode == 0, again.stderr
    assert answers(machine), said_by(machine)


def test_stopped_it_ends_at_once_and_well(machine):
    assert answers(machine), said_by(machine)
    assert machine.run("systemctl", "stop", "moorage").returncode == 0
    ended = machine.shown("moorage", "Result", "ExecMainStatus", "ExecMainCode")
    assert ended == {"Result": "success", "ExecMainStatus": "0", "ExecMainCode": "1"}
    assert machine.run(PROGRAM, "service", "uninstall").returncode == 0
    assert machine.run("systemctl", "cat", "moorage").returncode != 0
    assert machine.run("test", "-f", "/var/lib/moorage/db/moorage.db").returncode == 0, "data stays"


def test_a_program_that_its_user_cannot_reach_is_told_before_anything_starts(machine):
    before = machine.shown("moorage", "MainPID", "NRestarts")
    machine.run("chmod", "700", PROGRAM.parent)
    told = machine.run(PROGRAM, "service", "install")
    assert told.returncode != 0
    assert f"the user moorage cannot run {PROGRAM}: Permission denied" in told.stderr
    assert machine.shown("moorage", "MainPID", "NRestarts") == before
    machine.run("chmod", "755", PROGRAM.parent)
