"""The small parts everything stands on."""

import base64
import json
import uuid
import zlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.kit.clock import SystemClock, from_ms, rfc3339, to_ms
from moorage.kit.ids import (
    key_text_prefix,
    new_id,
    new_key_text,
    new_row_id,
    new_uuid,
    row_id_at,
)
from moorage.kit.jsonvalue import UnfitJsonError, check_json
from moorage.kit.pages import BadCursorError, decode_cursor, encode_cursor
from moorage.kit.secrettext import without_userinfo
from moorage.kit.text import clean_text, is_plain_text
from moorage.kit.url import plain_url

any_text = st.text(st.characters())  # surrogates and NUL too
WHOLE = st.integers(-(2**63), 2**63 - 1)


@given(any_text)
def test_mended_text_is_fit_for_any_database_and_fit_text_is_left_alone(text):
    mended = clean_text(text)
    assert "\x00" not in mended
    mended.encode()
    assert len(mended) == len(text)
    assert all(new in (old, "\ufffd") for old, new in zip(text, mended, strict=True))
    assert (mended == text) == is_plain_text(text)


def test_ids_ascend_and_differ():
    ids = [new_id("dev_") for _ in range(5_000)]
    assert ids == sorted(set(ids))
    assert all(len(one) == 28 and one.startswith("dev_") for one in ids)
    rows = [new_row_id() for _ in range(5_000)]
    assert rows == sorted(set(rows))
    assert all(0 < one < 2**63 for one in rows)


def test_uuids_are_of_version_7_ascend_and_differ():
    made = [new_uuid() for _ in range(1000)]
    assert made == sorted(set(made))
    read = [uuid.UUID(text) for text in made]
    assert {one.version for one in read} == {7}
    assert {one.variant for one in read} == {uuid.RFC_4122}
    age_s = datetime.now(UTC).timestamp() - (read[0].int >> 80) / 1000
    assert 0 <= age_s < 60


def test_a_row_id_made_now_lies_between_those_of_a_moment_before_and_after():
    now = datetime.now(UTC)
    minute = timedelta(minutes=1)
    assert row_id_at(now - minute) < new_row_id() < row_id_at(now + minute)


@given(st.sampled_from(["sk_live", "sk_test", "adk", "inst", "apt"]), st.data())
def test_a_key_with_one_digit_wrong_is_no_key(prefix, data):
    text = new_key_text(prefix)
    assert key_text_prefix(text) == prefix
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("0123456789abcdef_ghi").filter(lambda one: one != text[at]))
    assert key_text_prefix(text[:at] + other + text[at + 1 :]) != prefix
    assert key_text_prefix(text[:at]) is None
    assert key_text_prefix(text + "0") is None


def test_a_key_ends_in_the_checksum_of_all_before_it():
    text = new_key_text("adk")
    assert text[-8:] == f"{zlib.crc32(text[:-8].encode()):08x}"
    assert len({new_key_text("adk") for _ in range(100)}) == 100


@given(st.lists(WHOLE | st.text(), min_size=1, max_size=4))
def test_a_cursor_comes_back_as_it_went_out_or_is_refused(parts):
    kinds = [type(part) for part in parts]
    fit = all(not isinstance(part, str) or is_plain_text(part) for part in parts)
    cursor = encode_cursor(*parts)
    if fit:
        assert decode_cursor(cursor, *kinds) == tuple(parts)
    wrong = [str if kind is int else int for kind in kinds]
    with pytest.raises(BadCursorError):
        decode_cursor(cursor, *wrong)


@given(any_text)
def test_any_other_text_for_a_cursor_is_refused_and_nothing_worse(text):
    try:
        (part,) = decode_cursor(text, str)
    except BadCursorError:
        return
    assert isinstance(part, str)


@pytest.mark.parametrize(
    "made_up", ["[true]", "[1.0]", "[1e400]", f"[{2**63}]", '["a\\u0000"]', "{}", "[[1]]", "null"]
)
def test_a_cursor_made_up_by_hand_is_refused(made_up):
    text = base64.urlsafe_b64encode(made_up.encode()).decode().rstrip("=")
    for kind in (int, str):
        with pytest.raises(BadCursorError):
            decode_cursor(text, kind)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=23, minutes=59))])))
def test_a_time_comes_back_to_the_millisecond(at):
    back = from_ms(to_ms(at))
    assert timedelta() <= at - back < timedelta(milliseconds=1) or at.year in {1, 9999}


def test_times_are_written_as_rfc_3339_in_utc_with_milliseconds():
    at = datetime(2026, 4, 28, 14, 0, 0, 7_999, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339(at) == "2026-04-28T12:00:00.007Z"
    assert SystemClock().now().microsecond % 1000 == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
)


@given(json_values)
def test_json_that_is_let_through_can_be_written_and_read_everywhere(value):
    try:
        check_json(value)
    except UnfitJsonError as error:
        assert error.pointer == "" or error.pointer.startswith("/")  # noqa: PT017 - one way out
        return
    written = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    assert json.loads(written) == value
    assert b"\\u0000" not in written


def test_nesting_ends_at_32():
    value: object = 1
    for _ in range(32):
        value = [value]
    check_json(value)
    with pytest.raises(UnfitJsonError):
        check_json([value])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://me:secret@cam/1", "rtsp://cam/1"),
        ("rtsp://me:p@ss@word@cam:554/1?x=a@b", "rtsp://cam:554/1?x=a@b"),
        ("see http://me@a/ and https://you:x@b.", "see http://a/ and https://b."),
        ("http://plain/path@home", "http://plain/path@home"),
        ("mail me@example.com", "mail me@example.com"),
        ("http://cam/live?user=me&pwd=hush&x=1", "http://cam/live?user=me&pwd=********&x=1"),
        ("http://cam/?Token=hush#top", "http://cam/?Token=********#top"),
        ("http://cam/?stoken=1", "http://cam/?stoken=1"),
        ("a" * 50_000, "a" * 50_000),
        ("", ""),
    ],
)
def test_user_and_password_are_taken_out_of_every_address(text, shown):
    assert without_userinfo(text) == shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "fleet.example.com",
        "ftp://a",
        "http://",
        "http://a b",
        "http://a/$(reboot)",
        "http://a/`x`",
        "http://a';x",
        'http://a"',
        "http://a\n",
        "http://me:x@a",
        "http://-a",
        "http://a?x=1",
        "http://a#x",
        "https://a:123456",
    ],
)
def test_an_address_a_shell_could_misread_is_refused(url):
    with pytest.raises(ValueError, match="server URL"):
        plain_url(url)


def test_plain_addresses_are_taken_without_their_last_slash():
    for url in ("http://127.0.0.1:8400", "https://fleet.example.com", "http://[::1]:8/a/b~c"):
        assert plain_url(url) == plain_url(f"{url}/") == url
