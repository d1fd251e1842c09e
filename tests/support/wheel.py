"""The wheel, built and installed where nothing of this checkout is."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
_WITHIN_S = 120


def built(folder: Path) -> Path:
    """The wheel of this checkout, built into a folder."""
    _run(Path(sys.executable).with_name("hatchling"), "build", "-t", "wheel", "-d", folder)
    (made,) = folder.glob("*.whl")
    return made


def installed(wheel: Path, folder: Path) -> Path:
    """The ``moorage`` program of an environment that has the wheel and what it needs.

    ``MOORAGE_WHEEL_VENV`` names one that was installed from a package registry, as continuous
    integration does. Else it is made here, without a network: the requirements are those that the
    tests run with, and moorage is the wheel's alone.
    """
    given = os.environ.get("MOORAGE_WHEEL_VENV")
    if given is not None:
        return Path(given) / "bin" / "moorage"
    _run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    _run(
        *(sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "-q"),
        *("install", "--no-deps", "--no-index", wheel),
    )
    (packages,) = folder.glob("lib/python*/site-packages")
    # A folder that a .pth names has its own .pth not read: the checkout's is out of sight.
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "moorage"


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as zipped:
        return set(zipped.namelist())


def clean_env(**more: str) -> dict[str, str]:
    """An environment without settings, and without a way to this checkout."""
    away = ("MOORAGE_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(away)}
    return {**kept, **more}


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_WITHIN_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
