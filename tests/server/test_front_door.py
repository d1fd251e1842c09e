"""Which application answers a path, and what is counted of it."""

from dialects.native_kit import call_raw, on_sqlite

pytestmark = on_sqlite


async def test_each_answer_carries_a_request_id_of_its_own(running):
    answers = [
        await running.client.get(path)
        for path in ("/healthz", "/v1/nothing", "/nothing", "/v1/devices", "/devices/v2/x/y")
    ]
    answers.append(await running.client.post("/v1/reports"))
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)


async def test_a_first_segment_nobody_has_is_not_found(running):
    # With its host: a path that begins with two slashes would be read as one.
    double = "http://moorage.test//v1/devices"
    for path in (double, "/V1/devices", "/v1x/x", "/nothing/devices", "/console/x", "/docs"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = await running.client.request(method, path)
            assert answer.status_code == 404, (method, path)


async def test_at_the_root_a_browser_is_led_to_the_console_others_to_the_documentation(running):
    for accept, place in (("text/html,*/*;q=0.8", "/console"), ("*/*", "/v1/docs")):
        answer = await running.client.get("/", headers={"Accept": accept})
        assert answer.status_code == 307
        assert answer.headers["location"] == place


async def test_a_wrong_method_on_a_page_of_ours_is_said_so(running):
    for path in ("/healthz", "/readyz", "/metrics", "/install/moorage-agent.pyz"):
        answer = await running.client.post(path)
        assert answer.status_code == 405
        assert "GET" in answer.headers["allow"]


async def test_a_path_that_is_only_a_star_is_no_fault(running):
    answer = await call_raw(running.app, "OPTIONS", "*")
    assert answer.status in (404, 405)


async def test_no_address_is_redirected_for_a_slash(running):
    for path in ("/v1/devices/", "/healthz/", "/v1/docs/", "/metrics/"):
        answer = await running.client.get(path, headers=running.auth())
        assert answer.status_code == 404, path
        assert "location" not in answer.headers


def sample(metrics: str, line: str) -> float:
    """The value of one series; 0 where it is not there yet."""
    for row in metrics.splitlines():
        if row.startswith(line + " "):
            return float(row.rsplit(" ", 1)[1])
    return 0.0


async def test_requests_are_counted_by_template_method_and_status(running):
    for _ in range(3):
        await running.client.get("/v1/devices/dev_1", headers=running.auth())
    await running.client.request("BREW", "/nothing/there")
    metrics = (await running.client.get("/metrics")).text
    line = 'moorage_requests_total{method="GET",route="/v1/devices/{device_id}",status="404"}'
    assert sample(metrics, line) == 3
    assert "dev_1" not in metrics
    assert "BREW" not in metrics
    assert 'method="OTHER",route="(unknown)"' in metrics


async def test_reports_are_counted(running):
    made = await running.client.post("/v1/devices", json={"name": "a"}, headers=running.auth())
    told = await running.client.post(
        "/v1/enroll", json={"install_token": made.json()["install_token"]}
    )
    auth = running.auth(told.json()["device_key"])
    report = {"epoch": "e", "sequence": 1, "sent_at": "2026-11-21T10:00:00Z"}
    assert (await running.client.post("/v1/reports", json=report, headers=auth)).status_code == 200
    metrics = (await running.client.get("/metrics")).text
    line = 'moorage_requests_total{method="POST",route="/v1/reports",status="200"}'
    assert sample(metrics, line) == 1
    assert sample(metrics, "moorage_reports_committed_total") == 1
    assert sample(metrics, "moorage_reports_queued") == 0
    assert "process_resident_memory_bytes" in metrics
    assert 'moorage_request_seconds_count{route="/v1/reports"} 1.0' in metrics


async def test_the_agents_file_is_served_with_an_etag(running):
    path = "/install/moorage-agent.pyz"
    first = await running.client.get(path)
    assert first.status_code == 200
    again = await running.client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
