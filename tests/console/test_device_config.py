"""The tab Config: what is to run and why, editing, conflicts, revisions, secrets."""

import json
import re

import pytest

from console.kit import browser
from dialects.native_kit import on_sqlite
from moorage.core.accounts import Role

OWN = {
    "config": {"log_level": "debug"},
    "services": {"web": {"image": "web:1", "environment_variables": {"TOKEN": "s3cret"}}},
}
MASK = "********"


@pytest.fixture
async def device(api):
    made = await api.make("gate")
    await change(api, made["id"], OWN)
    return made["id"]


@pytest.fixture
def page(device):
    return f"/console/devices/{device}/config"


async def change(api, device, patch):
    path = f"/v1/devices/{device}/config"
    answer = await api.client.patch(path, json=patch, headers=api.auth())
    assert answer.status_code == 200, answer.text
    return answer.json()


async def config_of(api, device):
    return await api.read(f"/v1/devices/{device}/config")


async def form_of(person, page):
    """The editor's fields as a browser would send them back."""
    html = await person.page(page)
    fields = dict(
        re.findall(r'<input type="hidden" name="(revision|digest)" value="([^"]*)"', html)
    )
    text = re.search(r'<textarea name="own"[^>]*>\n(.*?)</textarea>', html, re.DOTALL)[1]
    for escaped, plain in (("&#34;", '"'), ("&#39;", "'"), ("&lt;", "<"), ("&amp;", "&")):
        text = text.replace(escaped, plain)
    return {**fields, "own": text}


@on_sqlite
async def test_each_value_names_the_layer_it_comes_from(console, page):
    html = await console.viewer.page(page)
    lines = re.findall(r'<li><span class="origin[^>]*>(\w*)</span><code>(.*?)</code>', html)
    named = {text.split(":")[0].strip().strip("&#34;"): origin for origin, text in lines if origin}
    assert named["report_interval_s"] == "default"
    assert named["log_level"] == "device"


async def test_no_secret_is_on_the_page_whoever_looks(console, page):
    for person in (console.owner, console.operator, console.viewer):
        html = await person.page(page)
        assert "s3cret" not in html
        assert "/services/web/environment_variables/TOKEN" in html


async def test_what_was_typed_is_saved_and_masks_keep_their_secrets(console, api, device, page):
    form = await form_of(console.operator, page)
    own = json.loads(form["own"])
    assert own["services"]["web"]["environment_variables"]["TOKEN"] == MASK
    own["services"]["web"]["image"] = "web:2"
    del own["config"]
    answer = await console.operator.post(page, {**form, "own": json.dumps(own)})
    assert answer.headers["hx-redirect"] == page
    found = await config_of(api, device)
    assert found["revision"] == 3
    assert found["document"]["services"]["web"]["image"] == "web:2"
    assert found["document"]["services"]["web"]["environment_variables"]["TOKEN"] == "s3cret"
    assert found["document"]["config"]["log_level"] == "info", "as the layers below have it"


@on_sqlite
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"config": {\n  "log_level": "info",\n}}', ["line 3"]),
        ("[1]", ["a config is an object"]),
        ('{\n"config": {\n"report_interval_s": 1}}', ["line 3", "/config/report_interval_s"]),
        ('{\n"services": {"web": "x"}\n}', ["line 2", "/services/web"]),
        ('{"a": 1,\n "a": 2}', ["line 2", "twice"]),
        ('{"services": {"api": {"password": "********"}}}', ["/services/api/password"]),
        ('{"config": {"x": 1e999}}', ["/config/x", "not finite"]),
        ("[" * 20_000, ["cannot be saved"]),
    ],
)
async def test_what_is_wrong_is_named_by_line_and_path(console, api, device, page, text, said):
    form = {**await form_of(console.owner, page), "own": text}
    checked = await console.owner.post(f"{page}/check", form)
    assert checked.status_code == 200
    saved = await console.owner.post(page, form)
    assert saved.status_code == 422
    assert saved.headers["hx-retarget"] == "#config-check"
    for part in said:
        assert part in checked.text
        assert part in saved.text
    assert (await config_of(api, device))["revision"] == 2


@on_sqlite
async def test_the_check_says_what_would_change_and_how_else_to_do_it(console, api, device, page):
    form = await form_of(console.owner, page)
    same = await console.owner.post(f"{page}/check", form)
    assert "is what the device is to run already" in same.text
    own = json.loads(form["own"]) | {"config": {"log_level": "warning"}}
    told = await console.owner.post(f"{page}/check", {**form, "own": json.dumps(own)})
    assert "/config/log_level" in told.text
    assert "If-Match" in told.text
    assert "device config edit" in told.text
    assert (await config_of(api, device))["revision"] == 2


async def test_who_is_slower_sees_who_changed_what_and_loses_nothing(console, api, device, page):
    mine = await form_of(console.operator, page)
    theirs = await form_of(console.owner, page)
    own = json.loads(theirs["own"]) | {"config": {"site": "south", "log_level": "error"}}
    assert (await console.owner.post(page, {**theirs, "own": json.dumps(own)})).status_code == 204
    own = json.loads(mine["own"]) | {"config": {"log_level": "info"}, "streams": {"yard": {}}}
    typed = json.dumps(own)
    answer = await console.operator.post(page, {**mine, "own": typed})
    assert answer.status_code == 412
    shown = answer.text.replace("&#34;", '"')
    assert "Revision 3 by Ada" in shown
    assert typed in shown, "what was typed is there as it was typed"
    assert "/config/log_level" in shown, "both changed it"
    fields = dict(re.findall(r'<input type="hidden" name="(revision|digest)" value="(.*?)"', shown))
    both = re.search(r'<textarea name="own"[^>]*>\n(.*?)</textarea>', shown, re.DOTALL)[1]
    assert json.loads(both)["config"] == {"site": "south", "log_level": "info"}
    assert json.loads(both)["streams"] == {"yard": {}}
    assert (await console.operator.post(page, {**fields, "own": both})).status_code == 204
    found = await config_of(api, device)
    assert found["revision"] == 4
    assert found["document"]["config"]["site"] == "south"
    assert found["document"]["services"]["web"]["environment_variables"]["TOKEN"] == "s3cret"


async def test_any_two_revisions_are_compared_by_key_and_side_by_side(console, api, device, page):
    await change(api, device, {"services": {"web": {"environment_variables": {"TOKEN": "new"}}}})
    html = await console.viewer.page(f"{page}/compare?a=2&b=3")
    assert "a secret that differs" in html
    assert "s3cret" not in html
    html = await console.viewer.page(f"{page}/compare?a=1&b=2")
    assert "/config/log_level" in html
    assert "side-changed" in html
    assert "Both are the same" in await console.viewer.page(f"{page}/compare?a=2&b=2")
    for query, status in (("a=1&b=9", 404), ("a=1", 422), ("a=x&b=1", 422)):
        assert (await console.viewer.get(f"{page}/compare?{query}")).status_code == status


async def test_a_rollback_is_a_new_revision(console, api, device, page):
    seen = (await form_of(console.operator, page))["digest"]
    form = {"revision": "1", "digest": seen}
    answer = await console.operator.post(f"{page}/rollback", form)
    assert answer.headers["hx-redirect"] == page
    found = await config_of(api, device)
    assert (found["revision"], found["document"]["services"]) == (3, {})
    stale = await console.operator.post(f"{page}/rollback", {"revision": "2", "digest": seen})
    assert stale.status_code == 412
    assert "Somebody else changed this meanwhile" in stale.text


@on_sqlite
async def test_revisions_come_in_pages_with_their_authors(console, api, device, page):
    for number in range(20):
        await change(api, device, {"config": {"number": number}})
    first = await console.viewer.page(page)
    assert "API key" in first
    assert first.count('name="a"') == 20
    after = re.search(rf'href="({re.escape(page)}\?cursor=[^"]+)"', first)[1]
    answer = await console.viewer.get(after, fragment=True, **{"HX-Target": "revisions"})
    assert answer.text.count('name="a"') == 2
    assert "<h1" not in answer.text
    whole = await console.viewer.page(after)
    assert whole.count('name="a"') == 2
    assert (await console.viewer.get(f"{page}?cursor=nonsense")).status_code == 422


async def test_secrets_are_set_replaced_and_taken_away_and_never_shown(console, api, device, page):
    where = "/services/web/environment_variables/TOKEN"
    other = "/config/password"
    for at in (where, other):
        answer = await console.operator.post(f"{page}/secrets", {"where": at, "value": "n3w"})
        assert answer.headers["hx-redirect"] == page
    document = (await config_of(api, device))["document"]
    assert document["services"]["web"]["environment_variables"] == {"TOKEN": "n3w"}
    assert document["config"]["password"] == "n3w"
    html = await console.owner.page(page)
    assert "n3w" not in html
    assert other in html
    answer = await console.operator.post(f"{page}/secrets/remove", {"where": other})
    assert answer.headers["hx-redirect"] == page
    assert "password" not in (await config_of(api, device))["document"]["config"]


@on_sqlite
@pytest.mark.parametrize(
    ("where", "value", "pointer"),
    [
        ("/config/log_level", "x", "/where"),
        ("password", "x", "/where"),
        ("/", "x", "/where"),
        ("/config/password", "", "/value"),
        ("/config/cameras/0/password", "x", "/where"),
    ],
)
async def test_a_secret_goes_only_where_it_is_kept_from_view(
    console, api, device, page, where, value, pointer
):
    await change(api, device, {"config": {"cameras": [{"password": "one"}]}})
    answer = await console.owner.post(f"{page}/secrets", {"where": where, "value": value})
    assert answer.status_code == 422
    assert pointer in answer.headers["hx-trigger"]
    assert (await config_of(api, device))["revision"] == 3


@on_sqlite
async def test_a_viewer_reads_the_config_and_is_offered_no_change(console, page):
    html = await console.viewer.page(page)
    assert "report_interval_s" in html
    for text in ("<textarea", 'hx-post="', "Roll back", "Take away"):
        assert text not in html
    assert "hx-post" not in await console.viewer.page(f"{page}/compare?a=1&b=2")


@on_sqlite
async def test_another_workspaces_config_is_not_there(console, page):
    eve = browser(console.running, await console.people.set_up("eve@example.com", "elsewhere"))
    assert eve.made.session.role is Role.OWNER
    for path in (page, f"{page}/compare?a=1&b=2"):
        assert (await eve.get(path)).status_code == 404
    for path in (page, f"{page}/check", f"{page}/rollback", f"{page}/secrets"):
        assert (await eve.post(path, {"own": "{}", "revision": "1"})).status_code == 404
    await eve.client.aclose()


@on_sqlite
@pytest.mark.parametrize("revision", ["0" * 10 + "1" + "9" * 5_000, "0" * 10 + "1" + "9" * 20, "0"])
async def test_a_revision_that_cannot_be_is_refused(console, page, revision):
    answer = await console.owner.get(f"{page}/compare?a=1&b={revision}")
    assert answer.status_code == 422
    refused = await console.owner.post(f"{page}/rollback", {"revision": revision})
    assert refused.status_code == 422
