"""JSON as people type it, and two documents beside each other: pure functions."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.console import jsontext
from moorage.console.queries import device_diff as diff
from moorage.kit.jsonvalue import escape_pointer

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)
documents = st.dictionaries(st.text(max_size=4), values, max_size=4)


def pointers(value, at=""):
    yield at
    parts = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, part in parts:
        yield from pointers(part, f"{at}/{escape_pointer(str(key))}")


@given(values)
def test_every_part_of_a_text_has_its_line(value):
    found = jsontext.read(json.dumps(value, indent=1))
    assert found.value == value
    assert set(found.lines) == set(pointers(value))
    assert jsontext.read(json.dumps(value)).lines.keys() == found.lines.keys()


def test_a_line_is_that_of_the_part_and_of_what_is_around_one_that_is_absent():
    found = jsontext.read('{\n "a": [\n  1,\n  {"b/c": 2}\n ]\n}')
    assert found.lines == {"": 1, "/a": 2, "/a/0": 3, "/a/1": 4, "/a/1/b~1c": 4}
    assert found.line_of("/a/1/x/y") == 4
    assert found.line_of("/z") == 1


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("", 1, 1), ('{"a": 1,}', 1, 9), ('{\n"a": 1\n"b": 2}', 3, 1), ('{"a": 1,\n "a": 2}', 2, 2)],
)
def test_what_is_no_json_is_named_by_line_and_column(text, line, column):
    with pytest.raises(jsontext.MisreadError) as misread:
        jsontext.read(text)
    assert (misread.value.line, misread.value.column) == (line, column)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5_000])
def test_what_python_would_choke_on_is_refused(text):
    with pytest.raises(jsontext.MisreadError):
        jsontext.read(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a":\n' + "[" * 33 + "]" * 33 + "}", "nesting"),
        ('{\n"' + "k" * 1_025 + '": 1}', "key"),
        ('{"' + "k" * 600 + '": {\n"' + "l" * 600 + '": 1}}', "key"),
    ],
)
def test_what_is_too_deep_or_too_long_is_named_by_its_line(text, said):
    with pytest.raises(jsontext.MisreadError, match=said) as misread:
        jsontext.read(text)
    assert misread.value.line == 2


def test_places_of_many_parts_under_long_keys_take_little_memory():
    text = '{"' + "k" * 1_000 + '": [\n' + "1,\n" * 50_000 + "1]}"
    tracemalloc.start()
    try:
        found = jsontext.read(text)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 30_000_000
    assert len(found.value["k" * 1_000]) == 50_001
    assert found.line_of("/" + "k" * 1_000 + "/50000") in (1, 50_002)


@pytest.mark.parametrize("text", ['{"a": [1, {"b": 2, "b": 3}]}', '{"a": {}, "b": [], "a": {}}'])
def test_a_key_that_stands_twice_is_found_at_any_depth(text):
    with pytest.raises(jsontext.MisreadError, match="twice"):
        jsontext.read(text)


@pytest.mark.parametrize("lines", [900, 2_500, 60_000])
def test_lines_that_are_alike_do_not_make_a_comparison_long(lines):
    """Few distinct lines, in both orders; with the careful way this is minutes of work."""
    left = "\n".join(f"a{number % 90}" for number in range(lines))
    right = "\n".join(f"a{-number % 90}" for number in range(lines))
    rows = diff.sides(f"same\n{left}\nsame", f"same\n{right}\nsame")
    assert len(rows) <= 2 * 5_001
    assert rows[0].kind == "same"
    assert rows[-1].kind in ("same", "cut")


def test_a_long_document_with_one_line_changed_shows_that_line():
    left = [f"line {number % 50}" for number in range(50_000)]
    right = [*left[:30_000], "another", *left[30_001:]]
    rows = diff.sides("\n".join(left), "\n".join(right))
    assert [row.right for row in rows if row.kind == "changed"] == ["another"]
    assert [row.kind for row in rows].count("skipped") == 2


@given(documents, documents)
def test_an_edit_by_one_alone_is_kept(base, edited):
    assert diff.together(base, edited, base) == (edited, [])
    assert diff.together(base, base, edited) == (edited, [])
    assert diff.together(base, edited, edited) == (edited, [])


def test_what_both_changed_differently_is_as_in_mine_and_named():
    base = {"a": 1, "b": {"c": 1, "d": 1}, "e": 1}
    mine = {"a": 2, "b": {"c": 2, "d": 1}, "e": 1}
    theirs = {"a": 3, "b": {"c": 1, "d": 2}}
    assert diff.together(base, mine, theirs) == ({"a": 2, "b": {"c": 2, "d": 2}}, ["/a"])


@given(documents, documents)
def test_side_by_side_each_side_is_whole(one, other):
    left, right = diff.text_of(one), diff.text_of(other)
    rows = diff.sides(left, right)
    skipped = sum(int(row.left) for row in rows if row.kind == "skipped")
    for text, name in ((left, "left"), (right, "right")):
        shown = [row for row in rows if row.kind != "skipped" and getattr(row, name) is not None]
        assert len(shown) + skipped == len(text.split("\n"))
        for row in shown:
            assert text.split("\n")[getattr(row, f"{name}_number") - 1] == getattr(row, name)
    assert any(row.kind not in ("same", "skipped") for row in rows) == (left != right)


@given(documents)
def test_the_lines_of_a_document_are_the_document(document):
    lines = [text for text, _ in diff.lines_of(document)]
    assert json.loads("{" + "\n".join(lines) + "}") == document
