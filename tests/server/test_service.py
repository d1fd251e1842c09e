"""The systemd unit: what it says, that systemd takes it, and how little it may do."""

import re
import shutil
import stat
import subprocess

import pytest

from moorage.server import load_settings
from moorage.server.service import UNIT, USERS, Service, unit_of
from server.commands import sentence_of
from support.prestarted import prestarted
from support.wheel import clean_env

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine"
)


def moorage(*arguments):
    return prestarted().run([str(argument) for argument in arguments], clean_env())


def of_unit(text):
    """Settings by name, each with all its values."""
    found = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def unit_with(tmp_path, **settings):
    service = Service(
        program=tmp_path / "bin" / "moorage",
        config=None,
        data=tmp_path / "data",
        user="moorage",
        settings=load_settings(**settings),
    )
    return of_unit(unit_of(service))


def test_the_unit_that_is_shown_is_the_one_that_is_written(tmp_path):
    shown = moorage("service", "install", "--print")
    assert shown.returncode == 0, shown.stderr
    written = moorage("service", "install", "--root", tmp_path)
    assert written.returncode == 0, written.stderr
    assert (tmp_path / UNIT).read_text() == shown.stdout
    assert stat.S_IMODE((tmp_path / UNIT).stat().st_mode) == 0o644
    assert re.search(r"^u moorage - ", (tmp_path / USERS).read_text(), re.MULTILINE)


def test_it_is_locked_in_and_may_hold_many_connections(tmp_path):
    unit = of_unit(moorage("service", "install", "--print").stdout)
    assert unit["ProtectSystem"] == ["strict"]
    assert unit["NoNewPrivileges"] == ["yes"]
    assert unit["CapabilityBoundingSet"] == [""]
    assert unit["User"] == ["moorage"]
    assert unit["StateDirectory"] == ["moorage"]
    assert unit["StateDirectoryMode"] == ["0700"]
    assert int(unit["LimitNOFILE"][0]) >= 100_000
    assert int(unit["TimeoutStopSec"][0]) > 20, "reports are flushed within 20 s"
    assert unit["ExecStart"][0].endswith(" serve")


def test_the_data_folder_of_the_settings_is_the_services(tmp_path):
    config = tmp_path / "moorage.toml"
    config.write_text(f'data = "{tmp_path}/fleet"\nport = 8443\n')
    unit = of_unit(moorage("service", "install", "--print", "--config", config).stdout)
    assert unit["Environment"] == [f"MOORAGE_DATA={tmp_path}/fleet"]
    assert unit["ReadWritePaths"] == [f"{tmp_path}/fleet"]
    assert unit["ExecStart"][0].endswith(f" serve --config {config}")


def test_a_low_port_is_bound_without_being_root(tmp_path):
    unit = unit_with(tmp_path, port=443)
    assert unit["AmbientCapabilities"] == unit["CapabilityBoundingSet"] == ["CAP_NET_BIND_SERVICE"]


def test_what_lies_elsewhere_can_be_written_and_what_lies_in_a_home_be_read(tmp_path):
    unit = unit_with(tmp_path, keys_dir=tmp_path / "keys", tls_cert="/home/me/cert.pem")
    assert unit["ReadWritePaths"] == [str(tmp_path / "data"), f"-{tmp_path / 'keys'}"]
    assert unit["ProtectHome"] == ["read-only"]


def test_a_name_that_means_something_to_systemd_means_itself(tmp_path):
    service = Service(
        program=tmp_path / "50% off; $HOME" / "moorage",
        config=tmp_path / 'a "file".toml',
        data=tmp_path / "my data",
        user="moorage",
        settings=load_settings(),
    )
    start = of_unit(unit_of(service))["ExecStart"][0]
    assert f'"{tmp_path}/50%% off; $$HOME/moorage"' in start
    assert f'"{tmp_path}/a \\"file\\".toml"' in start


@needs_systemd
def test_systemd_understands_every_line_and_finds_little_exposed(tmp_path):
    moorage("service", "install", "--root", tmp_path)
    unit = tmp_path / UNIT
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # It names other units of the machine, too; ours is what is looked at.
    assert [line for line in checked.stderr.splitlines() if "moorage" in line] == []
    exposed = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    level = re.search(r"exposure level for \S+: ([\d.]+)", exposed.stdout)
    assert level, exposed.stdout + exposed.stderr
    assert float(level[1]) < 3.0, exposed.stdout


def test_uninstalling_takes_away_what_was_written_and_no_data(tmp_path):
    data = tmp_path / "var" / "lib" / "moorage"
    data.mkdir(parents=True)
    assert moorage("service", "install", "--root", tmp_path).returncode == 0
    again = moorage("service", "install", "--root", tmp_path)
    assert again.returncode == 0, "a second time renews it"
    assert moorage("service", "uninstall", "--root", tmp_path).returncode == 0
    assert not (tmp_path / UNIT).exists()
    assert not (tmp_path / USERS).exists()
    assert data.exists()
    assert "nothing is installed" in sentence_of(
        moorage("service", "uninstall", "--root", tmp_path)
    )


def test_a_unit_somebody_else_wrote_is_left_alone(tmp_path):
    unit = tmp_path / UNIT
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    for command in ("install", "uninstall"):
        assert "not ma" in sentence_of(moorage("service", command, "--root", tmp_path))
    assert "/bin/true" in unit.read_text()


def test_a_user_that_cannot_be_is_refused(tmp_path):
    done = moorage("service", "install", "--print", "--user", "root; reboot")
    assert "no name of a user" in sentence_of(done)
