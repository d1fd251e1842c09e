"""Who asks: a token or an API key as bearer, an account and an API key at login."""

import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from starlette.requests import Request

from moorage.core import keys
from moorage.core.caller import Caller
from moorage.core.errors import DomainError, Kind
from moorage.dialects.common import bearer_of
from moorage.dialects.flatpeak import wire
from moorage.dialects.flatpeak.asked import Credential, current
from moorage.dialects.flatpeak.tokens import Tokens
from moorage.kit.ids import key_text_prefix
from moorage.storage import Database, Tx

_LIVE = {"sk_live": True, "sk_test": False}
_DEVICE = "adk"
_BASIC = "basic "
# Tokens are about 400 characters.
_LONGEST = 1024


def of_bearer(authorization: str | None, tokens: Tokens, now: datetime) -> Credential:
    """Read a token or an API key; nothing is looked up.

    Raises:
        DomainError: ``unauthenticated``; ``forbidden`` for what has the form of a device's key.

    """
    text = bearer_of(authorization, longest=_LONGEST)
    if "." not in text:
        return _of_key(text)
    claims = tokens.read(text, now)
    return Credential(
        live=claims.live_mode,
        counted_as=f"token of {claims.key_id}",
        account_id=claims.account_id,
        key_id=claims.key_id,
    )


def of_basic(authorization: str | None) -> Credential:
    """Read an account and its API key; nothing is looked up. Raises as ``of_bearer``."""
    told = authorization or ""
    if told[: len(_BASIC)].lower() != _BASIC or len(told) > _LONGEST:
        raise keys.unauthenticated()
    try:
        pair = base64.b64decode(told[len(_BASIC) :].strip(), validate=True).decode()
    except (ValueError, binascii.Error):
        raise keys.unauthenticated() from None
    account_id, _, text = pair.partition(":")
    return _of_key(text, account_id)


def _of_key(text: str, account_id: str | None = None) -> Credential:
    prefix = key_text_prefix(text)
    if prefix == _DEVICE:
        raise DomainError(
            Kind.FORBIDDEN,
            "device_key_not_allowed",
            "a device's key works for the device's own routes only; use a workspace key",
        )
    if prefix not in _LIVE:
        raise keys.unauthenticated()
    return Credential(live=_LIVE[prefix], counted_as=text, account_id=account_id, key_text=text)


class Sessions:
    """Opens transactions for the request at hand, once its caller may do what it asks for."""

    def __init__(self, db: Database) -> None:
        """Keep the database."""
        self._db = db

    @asynccontextmanager
    async def reading(self, request: Request) -> AsyncIterator[tuple[Tx, Caller]]:
        """Open a reading transaction."""
        async with self._db.read() as tx:
            yield tx, await _let_in(tx, request)

    @asynccontextmanager
    async def writing(self, request: Request) -> AsyncIterator[tuple[Tx, Caller]]:
        """Open a writing transaction; it commits at the block's end."""
        async with self._db.write(brief=True) as tx:
            yield tx, await _let_in(tx, request)


async def _let_in(tx: Tx, request: Request) -> Caller:
    """Look up who asks; only who is known is told of a version or a scope that is wrong."""
    asked = current()
    if asked.credential is None or asked.operation is None:
        raise keys.unauthenticated()
    caller = await _caller(tx, asked.credential)
    wire.check_version(request.headers.get(wire.VERSION_HEADER))
    if asked.operation.needs is not None:
        caller.require(asked.operation.needs)
    return caller


async def _caller(tx: Tx, credential: Credential) -> Caller:
    account_id, key_id = credential.account_id, credential.key_id
    if account_id is not None and key_id is not None:
        return await keys.authenticate_by_id(tx, account_id, key_id, live=credential.live)
    caller = await keys.authenticate(tx, credential.key_text or "")
    if account_id not in (None, caller.workspace_id):
        raise keys.unauthenticated()
    return caller
