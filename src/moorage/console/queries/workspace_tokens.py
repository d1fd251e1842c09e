"""What the page of a workspace's provisioning tokens reads."""

from datetime import datetime

from moorage.console.contexts.workspace_tokens import TokenRow, Tokens
from moorage.console.queries.add import state_of
from moorage.console.showing import with_query
from moorage.core import provisioning
from moorage.core.caller import Caller, Scope
from moorage.core.provisioning import Policy, ProvisioningToken
from moorage.storage import Tx

PAGE = "/console/workspace/tokens"
_ROWS = 50
_POLICIES = {
    Policy.REJECT: "known hardware is refused",
    Policy.REPLACE: "known hardware gets a new key",
    Policy.NEW: "known hardware becomes another device",
}


async def show(tx: Tx, caller: Caller, *, after: str | None = None) -> Tokens:
    """Read a page of tokens, newest first (``token:read``)."""
    page = await provisioning.list_tokens(tx, caller, cursor=after or None, limit=_ROWS)
    return Tokens(
        rows=[_row(token, tx.now) for token in page.items],
        first=PAGE if after else None,
        next=with_query(PAGE, {"after": page.next_cursor}) if page.next_cursor else None,
        may_write=caller.may(Scope.TOKEN_WRITE),
    )


def _row(token: ProvisioningToken, now: datetime) -> TokenRow:
    return TokenRow(
        id=token.id,
        name=token.name,
        state=state_of(token, now),
        use_count=token.use_count,
        max_uses=token.max_uses,
        policy=_POLICIES[token.policy],
        tags=token.tags,
        type=token.device_type,
        created_at=token.created_at,
        created_by=token.created_by,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
    )
