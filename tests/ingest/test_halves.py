"""A crowd shares one commit, or goes in two halves where that keeps the loop at work."""

import asyncio

from moorage.ingest.halves import Halves
from moorage.ingest.lines import Weight
from moorage.ingest.queue import Batches, IngestLimits

MOST = 256


def after(batches, *, in_process=True) -> int:
    """The share after these batches: (written, waiting, seconds to write, seconds to commit)."""
    halves = Halves(MOST, in_process=in_process)
    for written, waiting, writing_s, committing_s in batches:
        halves.note(written, waiting, writing_s=writing_s, committing_s=committing_s)
    return halves.share


def test_before_anything_was_written_a_batch_takes_what_there_is():
    assert after([]) == MOST


def test_a_crowd_on_a_quick_disk_goes_in_halves_and_stays_in_them():
    assert after([(128, 0, 0.005, 0.004)]) == 64
    assert after([(128, 0, 0.005, 0.004), *[(64, 64, 0.0025, 0.005)] * 50]) == 64


def test_a_crowd_that_grows_is_halved_as_it_is_now_and_one_that_shrinks_soon():
    assert after([(64, 64, 0.003, 0.004), (64, 136, 0.003, 0.004)]) == 100
    assert after([(64, 64, 0.003, 0.004), *[(64, 16, 0.003, 0.004)] * 3]) == 40


def test_half_a_crowd_that_was_answered_a_moment_ago_is_on_its_way_back():
    assert after([*[(64, 64, 0.003, 0.004)] * 9, (64, 0, 0.003, 0.004)]) > 50


def test_a_crowd_on_a_slow_disk_shares_its_commit():
    assert after([(128, 0, 0.005, 0.030)]) == MOST
    assert after([(64, 64, 0.0025, 0.030)] * 20) == MOST


def test_one_slow_commit_among_quick_ones_changes_nothing():
    quick = [(64, 64, 0.0025, 0.004)] * 20
    assert after([*quick, (64, 64, 0.0025, 0.020)]) == 64


def test_few_are_not_halved():
    assert after([(62, 0, 0.003, 0.001)]) == MOST
    assert after([(64, 0, 0.003, 0.001)]) == 32


def test_more_than_two_batches_are_taken_as_many_as_a_batch_may_hold():
    assert after([(256, 2_000, 0.010, 0.005)]) == MOST


def test_with_a_database_of_its_own_process_halves_are_under_way_at_once_however_slow_the_disk():
    assert after([(128, 0, 0.005, 0.001)] * 20, in_process=False) == 64
    assert after([(64, 64, 0.005, 0.030)] * 20, in_process=False) == 64
    assert after([(62, 0, 0.005, 0.001)] * 20, in_process=False) == MOST, "few share a commit"


async def sizes_of_a_crowd(db) -> list[int]:
    """128 senders that send again when they are answered, ten times; how large the batches were."""
    sizes: list[int] = []

    async def write(_tx, batch):
        sizes.append(len(batch))
        until = asyncio.get_running_loop().time() + 0.004
        while asyncio.get_running_loop().time() < until:
            pass  # as statements in this process do: the loop stands still
        return [None] * len(batch)

    batches: Batches[str, None] = Batches(
        db, write, weigh=lambda sender: Weight(1, 100, "", sender), limits=IngestLimits()
    )
    batches.start()

    async def send(sender: str) -> None:
        for _ in range(10):
            await batches.submit(sender)

    await asyncio.gather(*(send(f"device {number}") for number in range(128)))
    await batches.stop()
    assert sum(sizes) == 1280
    return sizes


async def test_senders_in_step_fall_into_two_halves(db):
    sizes = await sizes_of_a_crowd(db)
    # The first is whoever came first; on a busy machine some are late, and make a third part.
    assert sum(size <= 64 for size in sizes) > len(sizes) / 2, sizes
