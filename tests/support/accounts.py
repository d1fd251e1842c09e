"""What tests of accounts share: cheap hashing, a person, a way to sign in."""

from dataclasses import dataclass

import pyotp

from moorage.core import accounts, audit
from moorage.core.accounts import NewSession, Origin, Passwords, Role, SecondStep
from moorage.core.caller import Caller

PASSWORD = "correct horse battery"
ELSEWHERE = Origin("203.0.113.9", "Test/1.0")


def cheap() -> Passwords:
    """Hashing as always, at the least cost there is; any number may wait."""
    return Passwords(memory_kib=8, passes=1, lanes=1, most_waiting=5_000)


@dataclass
class People:
    """A database with the means to make people in it."""

    db: object
    passwords: Passwords
    workspace_id: str = ""

    async def set_up(self, email="ada@example.com", workspace="acme") -> NewSession:
        hashed = await self.passwords.hash(PASSWORD)
        async with self.db.write() as tx:
            link = await accounts.new_set_up_link(tx)
            made = await accounts.redeem_set_up(
                tx,
                link.text,
                email=email,
                name="Ada",
                hashed=hashed,
                origin=ELSEWHERE,
                workspace=workspace,
            )
        self.workspace_id = made.session.workspace_id
        return made

    async def join(self, by: NewSession, email: str, role: Role) -> NewSession:
        hashed = await self.passwords.hash(PASSWORD)
        async with self.db.write() as tx:
            link = await accounts.invite(tx, by.session.caller, email, role)
            return await accounts.redeem_invite(
                tx, link.text, name="Somebody", hashed=hashed, origin=ELSEWHERE
            )

    async def sign_in(
        self, email="ada@example.com", password=PASSWORD, origin=ELSEWHERE
    ) -> NewSession | SecondStep | None:
        async with self.db.read() as tx:
            attempt = await accounts.begin_sign_in(tx, email, origin)
        checked = await self.passwords.check(attempt, password)
        async with self.db.write() as tx:
            return await accounts.sign_in(tx, checked)

    async def finish(self, step: SecondStep, code: str, origin=ELSEWHERE) -> NewSession | None:
        async with self.db.write() as tx:
            return await accounts.finish_sign_in(tx, step.text, code, origin)

    async def checked(self, made: NewSession, password=PASSWORD):
        async with self.db.read() as tx:
            attempt = await accounts.begin_check(tx, made.session, ELSEWHERE)
        return await self.passwords.check(attempt, password)

    async def find(self, made: NewSession):
        async with self.db.read() as tx:
            return await accounts.find_session(tx, made.text)

    async def with_totp(self, made: NewSession) -> tuple[pyotp.TOTP, list[str]]:
        """Set up a second factor; return the app on the phone, and the recovery codes."""
        checked = await self.checked(made)
        async with self.db.write() as tx:
            offered = await accounts.begin_totp(tx, made.session, checked)
            phone = pyotp.TOTP(offered.secret)
            codes = await accounts.confirm_totp(tx, made.session, phone.at(tx.now))
        return phone, codes

    async def audit(self, workspace_id: str) -> list[tuple[str, str]]:
        """Actions and actors, oldest first."""
        async with self.db.read() as tx:
            caller = Caller(workspace_id, live=True, actor="system:test")
            page = await audit.list_entries(tx, caller, cursor=None, limit=500)
        return [(one.action, one.actor) for one in reversed(page.items)]
