"""Merging config by the rules of RFC 7396, and where each value came from."""

import copy
import functools
import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moorage.core.config import Applied, Layer, applied_state, digest_of, masked, merge, rules

# RFC 7396, appendix A: original, patch, result. A config is always an object, so the cases are
# tried one key down; a null there takes the key away.
APPENDIX = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
# Left out is {"e": null} with {"a": 1}: no document of ours holds a null.


@pytest.mark.parametrize(("original", "patch", "result"), APPENDIX)
def test_the_examples_of_the_rfc(original, patch, result):
    merged = merge([Layer("base", {"x": original}), Layer("device", {"x": patch})])
    assert merged.document == ({} if result is None else {"x": result})


def rfc_merge(target, patch):
    """The pseudocode of RFC 7396, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    target = dict(target)
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = rfc_merge(target.get(name), value)
    return target


# Few names and few values, so that layers meet; names that need escaping among them.
names = st.sampled_from(["a", "b", "a/b", "~1", ""])
leaves = st.sampled_from([None, True, 0, 1, 1.5, "x", "", [], [1, {"a": None}]])
objects = st.dictionaries(
    names, st.recursive(leaves, lambda inner: st.dictionaries(names, inner, max_size=3)), max_size=4
)
patches = st.lists(objects, min_size=1, max_size=4)


def layers_of(found):
    return [Layer(f"layer {at}", patch) for at, patch in enumerate(found)]


def same(one, other) -> bool:
    """Equal as JSON is: 1 is not true, nor 1.0."""
    return digest_of({"x": one}) == digest_of({"x": other})


@given(patches)
def test_any_layers_merge_as_the_rfc_has_it_and_none_is_changed(found):
    before = copy.deepcopy(found)
    merged = merge(layers_of(found)).document
    assert same(merged, functools.reduce(rfc_merge, found, {}))
    assert same(found, before)


def leaves_of(value, at=""):
    """Pointers (RFC 6901) and values of all that is no object with something in it."""
    if not isinstance(value, dict) or not value:
        yield at, value
        return
    for name, part in value.items():
        yield from leaves_of(part, f"{at}/{name.replace('~', '~0').replace('/', '~1')}")


def marked(patch, name):
    """The patch with each leaf replaced by a list that says whose it is."""
    if isinstance(patch, dict):
        return {key: marked(value, name) for key, value in patch.items()}
    return None if patch is None else [name]


@given(patches)
def test_every_leaf_names_the_layer_it_came_from(found):
    merged = merge(layers_of(found))
    leaves = dict(leaves_of(merged.document)) if merged.document else {}
    assert merged.origins.keys() == leaves.keys()
    whose = functools.reduce(
        rfc_merge, [marked(one.patch, one.name) for one in layers_of(found)], {}
    )
    for pointer, mark in leaves_of(whose) if whose else ():
        if mark:  # an empty object holds no mark
            assert merged.origins[pointer] == mark[0]


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(part) for key, part in value.items() if part is not None}
    return value


@given(objects, objects)
@example({"a": 1}, {"a": True})
def test_the_patch_between_two_documents_leads_from_one_to_the_other(lower, wanted):
    lower, wanted = without_nulls(lower), without_nulls(wanted)
    patch = rules.patch_between(lower, wanted)
    assert same(merge([Layer("lower", lower), Layer("device", patch)]).document, wanted)


@given(objects, objects)
@example({"a": 1}, {"a": True})
def test_what_changed_is_named_and_nothing_else(before, after):
    before, after = without_nulls(before), without_nulls(after)
    pointers = rules.changed_pointers(before, after)
    assert (pointers == []) == same(before, after)
    assert len(set(pointers)) == len(pointers)
    for pointer in pointers:
        assert not same(_at(before, pointer), _at(after, pointer))


def _at(value, pointer):
    for step in pointer.split("/")[1:]:
        if not isinstance(value, dict):
            return "absent"
        value = value.get(step.replace("~1", "/").replace("~0", "~"), "absent")
    return value


def test_a_digest_is_of_the_document_whatever_the_order_of_its_keys():
    text = '{"a":{"b":"\u00fc","c":1}}'
    expected = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert digest_of({"a": {"c": 1, "b": "\u00fc"}}) == expected


D, E = "sha256:" + "d" * 64, "sha256:" + "e" * 64


@pytest.mark.parametrize(
    ("reported", "state"),
    [
        (None, Applied.UNKNOWN),
        ((6, D, "applied"), Applied.PENDING),
        ((8, D, "applied"), Applied.PENDING),
        ((7, D, "pending"), Applied.PENDING),
        ((7, D, "applied"), Applied.APPLIED),
        ((7, None, "applied"), Applied.APPLIED),
        ((7, E, "applied"), Applied.DRIFTED),
        ((7, D, "failed"), Applied.FAILED),
        ((7, E, "failed"), Applied.FAILED),
        ((6, D, "failed"), Applied.PENDING),
    ],
)
def test_applied_is_what_the_device_last_proved(reported, state):
    assert applied_state(revision=7, digest=D, reported=reported) == state


def test_no_secret_is_left_in_a_masked_document():
    document = {
        "config": {"log_level": "info", "api_key": "hush", "nested": [{"Password": "hush"}]},
        "services": {
            "web": {"environment_variables": {"A": "hush", "B": "hush"}, "image": "web:1"},
            "odd": {"environment_variables": ["A=hush"]},
        },
        "streams": {
            "s": {"source": {"url": "rtsp://me:hush@cam/1"}, "note": "see a://b:hush@c."},
            "own": {"source": "http://cam/?pwd=hush", "environment": {"A": "hush"}},
        },
    }
    shown = masked(document)
    assert "hush" not in str(shown)
    assert shown["config"]["log_level"] == "info"
    assert shown["services"]["web"]["image"] == "web:1"
    assert set(shown["services"]["web"]["environment_variables"]) == {"A", "B"}
    assert shown["streams"]["s"]["source"]["url"] == "rtsp://********@cam/1"
    assert "hush" in str(document), "the document itself is as it was"
