"""What the page of a workspace's API keys reads."""

from moorage.console.contexts.workspace_keys import KeyRow, Keys, Made
from moorage.console.showing import with_query
from moorage.core import keys
from moorage.core.caller import Caller, Scope
from moorage.core.keys import Key, NewKey
from moorage.storage import Tx

PAGE = "/console/workspace/keys"
_ROWS = 50


async def show(
    tx: Tx, caller: Caller, *, after: str | None = None, made: NewKey | None = None
) -> Keys:
    """Read a page of keys (``api-key:read``); ``made`` is one just made."""
    page = await keys.list_keys(tx, caller, cursor=after or None, limit=_ROWS)
    live, test = ("live", "live: real devices"), ("test", "test: apart from the live ones")
    return Keys(
        rows=[_row(key) for key in page.items],
        scopes=[str(scope) for scope in Scope if caller.may(scope)],
        modes=(live, test) if caller.live else (test,),
        mode="live" if caller.live else "test",
        first=PAGE if after else None,
        next=with_query(PAGE, {"after": page.next_cursor}) if page.next_cursor else None,
        may_create=caller.may(Scope.API_KEY_CREATE),
        may_update=caller.may(Scope.API_KEY_UPDATE),
        may_revoke=caller.may(Scope.API_KEY_REVOKE),
        made=None if made is None else _made(caller, made),
    )


def _row(key: Key) -> KeyRow:
    state = "in use"
    if key.revoked_at is not None:
        state = "revoked"
    elif key.disabled_at is not None:
        state = "disabled"
    return KeyRow(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        scopes=None if key.scopes is None else sorted(key.scopes),
        created_at=key.created_at,
        created_by=key.created_by,
        state=state,
        protected=key.protected,
        own=f"{PAGE}/{key.id}",
    )


def _made(caller: Caller, made: NewKey) -> Made:
    key = made.key
    return Made(key.name, "live" if key.live else "test", key.live != caller.live, made.text)
