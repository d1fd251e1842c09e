"""What the page of the own account reads."""

from collections.abc import Sequence

import segno

from moorage.console.contexts.account import Account, Browser, Outside, SecondFactor
from moorage.core import accounts
from moorage.core.accounts import Enrolment, IdentityProvider, Session
from moorage.storage import Tx

_QR_SCALE, _QR_BORDER = 5, 2


async def show(tx: Tx, session: Session, provider: IdentityProvider | None) -> Account:
    """Read the account of somebody signed in."""
    browsers = [
        Browser(
            one.id,
            one.agent,
            one.address,
            one.created_at,
            one.last_used_at,
            is_this=one.id == session.id,
        )
        for one in await accounts.list_sessions(tx, session)
    ]
    outside = None
    if provider is not None:
        linked = await accounts.list_identities(tx, session)
        outside = Outside(provider.title, linked.get(provider.issuer))
    return Account(
        name=session.account.name,
        email=session.account.email,
        has_password=session.account.has_password,
        shortest_password=accounts.SHORTEST_PASSWORD,
        factor=await second_factor(tx, session, is_on=session.account.has_totp),
        browsers=browsers,
        outside=outside,
    )


async def second_factor(
    tx: Tx, session: Session, *, is_on: bool, codes: Sequence[str] = ()
) -> SecondFactor:
    """Read where the second factor stands."""
    left = await accounts.count_recovery_codes(tx, session)
    return SecondFactor(is_on, left, session.account.has_password, codes=codes)


def offered(session: Session, enrolment: Enrolment) -> SecondFactor:
    """Show a second factor that is being set up."""
    qr = segno.make(enrolment.uri, error="m")
    return SecondFactor(
        session.account.has_totp,
        0,
        session.account.has_password,
        secret=" ".join(enrolment.secret[at : at + 4] for at in range(0, len(enrolment.secret), 4)),
        qr=qr.svg_data_uri(scale=_QR_SCALE, border=_QR_BORDER, light="#fff"),
    )
