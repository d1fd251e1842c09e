"""A first start of several processes at once: one makes what is missing, for all."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from moorage.server.keyring import open_keyring


def test_keys_made_by_two_processes_at_once_are_the_same(tmp_path):
    code = (
        "import sys; from pathlib import Path; from moorage.server.keyring import open_keyring;"
        "print(open_keyring(Path(sys.argv[1]), create=True).check_values)"
    )
    for turn in range(2):
        folder = tmp_path / str(turn)
        racing = [
            subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE)
            for _ in range(3)
        ]
        told = {process.communicate(timeout=60)[0] for process in racing}
        assert told == {f"{open_keyring(folder, create=False).check_values}\n".encode()}


def test_bootstrapping_an_empty_folder_many_times_at_once_makes_one_workspace(tmp_path):
    command = [
        *(sys.executable, "-m", "moorage.cli", "bootstrap", "--workspace", "acme", "--json"),
        *("--data", str(tmp_path / "data")),
    ]

    def once(_number: int) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, capture_output=True, check=False, timeout=120)

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(once, range(4)))
    assert [one.returncode for one in done] == [0] * 4, [one.stderr for one in done]
    assert len({json.loads(one.stdout)["workspace"]["id"] for one in done}) == 1
