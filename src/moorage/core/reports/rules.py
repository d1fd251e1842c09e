"""Whether a report continues what we have: pure decisions."""

import hashlib

from moorage.core.reports.model import (
    Advance,
    EpochState,
    Fork,
    Link,
    Offer,
    Repeat,
    Reused,
    Store,
    Verdict,
)


def first_chain(epoch: str) -> str:
    """Return the chain of an epoch before its first report: hex SHA-256 of its UTF-8 text."""
    return hashlib.sha256(epoch.encode()).hexdigest()


def chain_after(previous: str, digest: str) -> str:
    """Return the chain after a report: hex SHA-256 over ``previous:digest`` in ASCII, both hex."""
    return hashlib.sha256(f"{previous}:{digest}".encode("ascii")).hexdigest()


def ledger_id(offer: Offer) -> str:
    """Return the id a report has in the ledger.

    Without an id of its own, the triple of store, epoch and sequence stands for it; hashed, so that
    texts the sender chose cannot run into each other, with the sequence before it, so that rows of
    an epoch lie beside each other.
    """
    if offer.report_id is not None:
        return offer.report_id
    parts = "\x1f".join((offer.store or "", offer.epoch, str(offer.sequence)))
    return f"at-{offer.sequence:014x}-{hashlib.sha256(parts.encode()).hexdigest()}"


def link_id(offer: Offer) -> str:
    """Return the id of a report's further row when it is sent again in another epoch."""
    epoch = hashlib.sha256(offer.epoch.encode()).hexdigest()[:32]
    return f"{ledger_id(offer)}~{epoch}"


def judge(  # noqa: PLR0911 - one return a verdict reads best
    offer: Offer, state: EpochState, known: Link | None, known_here: Link | None
) -> Verdict:
    """Decide on one report.

    ``known`` is the ledger's row for its id, ``known_here`` the further row of that id in this
    epoch. ``state`` is the epoch's, or that of an epoch at its beginning.
    """
    for link in (known, known_here):
        if link is not None and link.digest == offer.digest:
            return Repeat(link.sequence, link.chain)
    after = chain_after(state.chain, offer.digest)
    if offer.previous is None:
        if known is not None:
            return Reused(known.sequence, known.chain)
        # No order is claimed, so the chain is simply that of arrival.
        return Store(offer.sequence, after)
    if offer.sequence != state.sequence + 1 or offer.previous != state.chain:
        return Fork(state.sequence, state.chain)
    if known is None:
        return Store(offer.sequence, after)
    if known.epoch == offer.epoch or known_here is not None:
        # The same id for two different bodies of one epoch: the sender is not what it was.
        return Fork(state.sequence, state.chain)
    return Advance(offer.sequence, after)
