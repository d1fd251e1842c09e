"""The measurements can be made: tiny ones here, for what matters is that every part works."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def refusing():
    """A server that refuses twice, and then takes everything; and the bodies that came."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(503 if len(bodies) <= 2 else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, bodies
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_generator_sends_a_refused_report_again_before_the_next(refusing, tmp_path):
    port, bodies = refusing
    head = b"POST / HTTP/1.1\r\nHost: bench\r\nContent-Length: 1\r\n\r\n"
    asked = tmp_path / "requests"
    asked.write_bytes(pickle.dumps({"port": port, "requests": [[head + b"a", head + b"b"]]}))
    subprocess.run(
        [sys.executable, BENCH / "load.py", asked],
        input="go\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    told = json.loads(asked.read_text())
    assert bodies == [b"a", b"a", b"a", b"b"]
    assert (told["refused"], told["statuses"]) == (2, {"200": 2})


def _measured(results: Path, name: str) -> None:
    """Measure; one that takes too long is told to end, so that it ends what it started."""
    process = subprocess.Popen(
        [sys.executable, BENCH / "run.py", name, "--results", results],
        env={**os.environ, "BENCH_QUICK": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, said = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=40)
    assert process.returncode == 0, said


def test_a_scenario_measured_alone_leaves_the_others_on_the_page_with_their_dates(tmp_path):
    machine = {"cpu": "another", "cores": 64, "python": "3.11.0"}
    figures = {"bare route": {"per_second": 12_345.0, "p50_ms": 1.0, "p99_ms": 2.0, "errors": 0}}
    for engine in ("sqlite", "postgresql"):
        figures[engine] = {**figures["bare route"], "share_of_bare_route": 1.0}
    sizes = {"connections": 128, "requests_per_run": 1, "runs": 5, "bare_commits_per_second": 1.0}
    before = {"at": "2001-02-03T00:00:00+00:00", "machine": machine}
    before["scenarios"] = {"reports": {**sizes, "figures": figures}}
    (tmp_path / "latest.json").write_text(json.dumps(before))
    _measured(tmp_path, "announcing")
    kept = json.loads((tmp_path / "latest.json").read_text())["scenarios"]
    assert kept["reports"]["at"] == before["at"]
    assert kept["announcing"]["machine"]["cores"] == os.cpu_count()
    assert all(one["per_second"] for one in kept["announcing"]["figures"].values())
    page = (tmp_path / "benchmarks.md").read_text()
    assert "2001-02-03, 64 cores of another" in page
    assert "| sqlite | 12,345 | 1.00 |" in page
    assert kept["announcing"]["at"][:10] in page
