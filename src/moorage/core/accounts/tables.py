"""The tables of accounts; the store beside this holds the SQL."""

import sqlalchemy as sa

from moorage.storage import Millis, table

accounts = table(
    "accounts",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("email", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    # Argon2id in its own notation, parameters and salt included; none for who signs in elsewhere.
    sa.Column("password", sa.Text),
    # Sealed by the vault: the secret in force, and one that was shown and not confirmed yet.
    sa.Column("totp", sa.Text),
    sa.Column("totp_offered", sa.Text),
    # Which 30 seconds the last code taken belonged to: none is taken twice.
    sa.Column("totp_step", sa.BigInteger),
    sa.Column("created_at", Millis, nullable=False),
    sa.Column("disabled_at", Millis),
)

recovery_codes = table(
    "account_recovery_codes",
    sa.Column("account_id", sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
)

members = table(
    "account_members",
    sa.Column("workspace_id", sa.ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "account_id",
        sa.ForeignKey("accounts.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("since", Millis, nullable=False),
)

sessions = table(
    "account_sessions",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column(
        "account_id", sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    sa.Column("workspace_id", sa.ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("created_at", Millis, nullable=False),
    sa.Column("last_used_at", Millis, nullable=False, index=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
)

links = table(
    "account_links",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("workspace_id", sa.ForeignKey("workspaces.id", ondelete="CASCADE")),
    sa.Column("account_id", sa.ForeignKey("accounts.id", ondelete="CASCADE")),
    sa.Column("email", sa.Text),
    sa.Column("role", sa.Text),
    sa.Column("created_at", Millis, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires_at", Millis, nullable=False, index=True),
)

# Who is known to a provider of identities by a name of its own.
identities = table(
    "account_identities",
    sa.Column("issuer", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column(
        "account_id", sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    sa.Column("linked_at", Millis, nullable=False),
)

# Wrong answers, by what they are counted under: an e-mail address or a network's.
failures = table(
    "sign_in_failures",
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("wrong_answers", sa.Integer, nullable=False),
    sa.Column("last_at", Millis, nullable=False, index=True),
    sa.Column("paused_until", Millis),
)
