"""What may be asked of a container engine, and what of its answers is left out."""

import pytest

from moorage.core.environments import Access
from moorage.core.errors import DomainError
from moorage.outbound.docker_api import check_method, check_path, classify, without_environment

GOOD = [
    "_ping",
    "version",
    "v1.44/containers/json",
    "containers/0123abc/logs",
    "containers/edge-agent.1/json",
    "images/registry.example.com/team/camera@sha256:0123abc/json",
    "images/team/camera:1.2.3-rc+4/json",
    "volumes/a_b~c",
]
BAD = [
    "",
    "/",
    "/containers/json",
    "containers/json/",
    "containers//json",
    ".",
    "..",
    "../endpoints",
    "containers/../../../../settings",
    "containers/./json",
    "containers/..",
    "containers/%2e%2e/json",
    "containers/%2E%2E/json",
    "containers/%252e%252e/json",
    "containers%2fjson",
    "containers%5cjson",
    "containers%00",
    "containers\\json",
    "..\\settings",
    "http://169.254.169.254/latest",
    "//169.254.169.254/latest",
    "containers/json?all=1",
    "containers/json#x",
    "containers/json;x=1",
    "containers/\x00/json",
    "containers/a\r\nX-API-KEY: b/json",
    "containers/a\n/json",
    "containers/json\n",
    "containers/ json",
    "containers/\u2025/json",
    "containers/\uff0e\uff0e/json",
    "containers/é/json",
    "containers/" + "a" * 1024,
]


@pytest.mark.parametrize("path", GOOD)
def test_paths_that_mean_what_they_say_pass_as_they_are(path):
    assert check_path(path) == path


@pytest.mark.parametrize("path", BAD)
def test_paths_that_could_mean_something_else_are_refused(path):
    with pytest.raises(DomainError) as refused:
        check_path(path)
    assert [fault.pointer for fault in refused.value.faults] == ["/path"]


READS = [
    "_ping",
    "version",
    "info",
    "events",
    "system/df",
    "containers/json",
    "containers/c1/json",
    "containers/c1/stats",
    "containers/c1/logs",
    "containers/c1/top",
    "images/json",
    "images/camera:1/json",
    "images/team/camera/json",
    "networks",
    "networks/n1",
    "volumes",
    "volumes/v1",
]
MANAGES = [
    ("POST", "containers/create"),
    ("POST", "containers/c1/start"),
    ("POST", "containers/json"),
    ("DELETE", "containers/c1"),
    ("PUT", "containers/c1/archive"),
    ("GET", "containers/c1/archive"),
    ("GET", "containers/c1/export"),
    ("GET", "containers/c1/attach/ws"),
    ("GET", "images/camera/get"),
    ("GET", "images/get"),
    ("GET", "exec/e1/json"),
    ("GET", "secrets"),
    ("GET", "configs/c1"),
    ("GET", "services/s1"),
    ("GET", "swarm/unlockkey"),
    ("GET", "plugins/p1/json"),
    ("GET", "v2/browse/ls"),
    ("GET", "networks/n1/x"),
    ("GET", "volumes/v1/x"),
    ("GET", "v1.44/v1.44/info"),
    ("GET", "v1.44"),
    ("GET", "Containers/json"),
    ("GET", "containers/c1/json/x"),
    ("GET", "info/x"),
    ("get", "info"),
    ("OPTIONS", "info"),
]


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("version", ["", "v1.44/", "v1.100/"])
def test_these_read_whatever_the_version(path, version):
    assert classify("GET", version + path) is Access.READ
    assert classify("HEAD", version + path) is Access.READ
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert classify(method, version + path) is Access.MANAGE


@pytest.mark.parametrize(("method", "path"), MANAGES)
def test_all_else_manages(method, path):
    assert classify(method, path) is Access.MANAGE


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PATCH", "get", "GET\r\n", ""])
def test_methods_the_engine_does_not_know_are_refused(method):
    with pytest.raises(DomainError):
        check_method(method)


def test_of_environment_variables_the_names_are_shown():
    shown = {
        "Id": "c1",
        "Config": {"Env": ["PASSWORD=hunter2", "EMPTY=", "PLAIN", "A=b=c"], "Labels": {"a": "b"}},
        "ContainerConfig": {"Env": None},
        "Deep": [{"TaskTemplate": {"ContainerSpec": {"Env": ["TOKEN=x"]}}}],
        "Odd": {"Env": {"KEY": "value"}, "env": ["LOWER=x", 5], "ENV": "KEY=value"},
    }
    assert without_environment(shown) == {
        "Id": "c1",
        "Config": {"Env": ["PASSWORD", "EMPTY", "PLAIN", "A"], "Labels": {"a": "b"}},
        "ContainerConfig": {"Env": None},
        "Deep": [{"TaskTemplate": {"ContainerSpec": {"Env": ["TOKEN"]}}}],
        "Odd": {"Env": ["KEY"], "env": ["LOWER"], "ENV": None},
    }


@pytest.mark.parametrize("shown", [None, 5, "text", [], [[1]], {}])
def test_what_has_no_environment_stays_as_it_is(shown):
    assert without_environment(shown) == shown
