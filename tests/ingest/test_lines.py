"""Who waits is taken in turn: a crowd waits behind itself, not in front of others."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from moorage.ingest.lines import Lines, Weight


@dataclass(eq=False)
class Item:
    weight: Weight
    number: int = 0
    since: float = 0.0


def item(tenant, number=0, *, rows=1, size=1, sender=""):
    return Item(Weight(rows, size, tenant, sender), number)


def lines_of(*items) -> Lines:
    lines = Lines()
    for one in items:
        lines.add(one)
    return lines


def tenants(batch):
    return Counter(one.weight.tenant for one in batch)


def test_one_report_of_a_small_workspace_is_in_the_next_batch_whatever_waits():
    lines = lines_of(*(item("big", number) for number in range(3_000)), item("small"))
    batch = lines.take(256, 5_000)
    assert tenants(batch)["small"] == 1
    assert tenants(batch)["big"] <= 64, "and the batch is not as long as the crowd could make it"


def test_workspaces_that_all_send_much_have_the_same_share():
    lines = lines_of(*(item(name, number) for number in range(500) for name in "abc"))
    assert tenants(lines.take(240, 5_000)) == {"a": 80, "b": 80, "c": 80}


def test_alone_a_workspace_has_all_of_it():
    lines = lines_of(*(item("a", number) for number in range(500)))
    assert [one.number for one in lines.take(256, 5_000)] == list(range(256))


def test_who_comes_while_a_crowd_is_written_waits_for_no_long_batch_either():
    lines = lines_of(item("big"), item("small"))
    lines.take(9, 99)
    for number in range(500):
        lines.add(item("big", number))
    assert len(lines.take(256, 5_000)) == 64
    alone = item("big")
    alone.since = 20.1
    lines.add(alone)
    assert len(lines.take(256, 5_000)) == 256, "the other was not heard of for a while"


def test_rows_bound_a_batch_and_one_that_is_larger_goes_alone():
    lines = lines_of(item("a", rows=90), item("a", rows=8), item("a", rows=8), item("a", rows=900))
    assert [len(lines.take(256, 100)) for _ in range(3)] == [2, 1, 1]
    assert lines.take(256, 100) == []


def test_no_workspace_is_first_every_time():
    lines = lines_of(*(item(name, number) for number in range(10) for name in "abc"))
    assert {lines.take(1, 100)[0].weight.tenant for _ in range(3)} == {"a", "b", "c"}


def test_who_has_something_under_way_waits_and_keeps_its_place():
    lines = lines_of(
        *(item("a", number, sender="busy" if number < 2 else "free") for number in range(4)),
        item("b", 4, sender="busy too"),
    )
    assert [one.number for one in lines.take(9, 99, but={"busy", "busy too"})] == [2, 3]
    assert (len(lines), lines.of_sender("busy"), lines.tenants) == (3, 2, 2)
    assert lines.of_tenant("a")[0].number == 0
    assert lines.take(9, 99, but={"busy", "busy too"}) == []
    assert {one.number for one in lines.take(9, 99)} == {0, 1, 4}


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"), st.sampled_from("xyz"), st.integers(1, 40), st.integers(1, 99)
        ),
        max_size=60,
    ),
    st.integers(1, 12),
    st.integers(1, 60),
    st.lists(st.sets(st.sampled_from(["ax", "ay", "bx", "cz"]))),
)
def test_each_is_taken_once_in_the_order_of_its_workspace_and_the_sums_are_right(
    given_items, most, rows, not_now
):
    items = [
        item(tenant, number, rows=weight, size=size, sender=tenant + sender)
        for number, (tenant, sender, weight, size) in enumerate(given_items)
    ]
    lines = lines_of(*items)
    left = list(items)
    for but in [*not_now, *[set()] * len(items)]:
        assert len(lines) == len(left)
        assert lines.size_bytes == sum(one.weight.size_bytes for one in left)
        for sender in {one.weight.sender for one in items}:
            waiting = [one for one in left if one.weight.sender == sender]
            assert lines.of_sender(sender) == len(waiting)
        if not left:
            break
        may_go = [one for one in left if one.weight.sender not in but]
        batch = lines.take(most, rows, but=but)
        assert bool(may_go) <= len(batch) <= most
        assert len(batch) <= 1 or sum(one.weight.rows for one in batch) <= rows
        for tenant in "abcd":
            of_it = [one for one in may_go if one.weight.tenant == tenant]
            taken = [one for one in batch if one.weight.tenant == tenant]
            assert taken == of_it[: len(taken)]
        left = [one for one in left if one not in batch]
    assert len(lines) == 0
