"""One frozen object of settings, from environment (``MOORAGE_...``) and TOML; safe defaults."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from moorage.core.accounts import Role
from moorage.core.workspaces import KeptDays
from moorage.kit.url import plain_url


class LeastDays(BaseModel):
    """The fewest days a workspace may choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    telemetry_days: float = Field(
        default=1, gt=0, description="fewest days a workspace may choose for its telemetry"
    )
    logs_days: float = Field(default=1, gt=0, description="the same for its log lines")
    events_days: float = Field(default=1, gt=0, description="the same for its events")
    audit_days: float = Field(
        default=90,
        gt=0,
        description="the same for its audit entries, which are to outlive whoever has a reason to "
        "be rid of them",
    )


class MostDays(BaseModel):
    """The most days a workspace may choose; without a value those that hold for everybody."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    telemetry_days: float | None = Field(
        default=None,
        gt=0,
        description="most days a workspace may choose for its telemetry; by default no more than "
        "everybody has",
    )
    logs_days: float | None = Field(
        default=None, gt=0, description="the same for its log lines; each day takes room"
    )
    events_days: float | None = Field(default=None, gt=0, description="the same for its events")
    audit_days: float | None = Field(
        default=None, gt=0, description="the same for its audit entries"
    )


class RetentionSettings(BaseModel):
    """How long things are kept, in days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    telemetry_days: float = Field(default=14, gt=0, description="telemetry samples")
    telemetry_5min_days: float = Field(
        default=30,
        gt=0,
        description="telemetry summed up over five minutes, and never for less than the samples",
    )
    telemetry_hourly_days: float = Field(
        default=400,
        gt=0,
        description="telemetry summed up over an hour, and never for less than the samples",
    )
    logs_days: float = Field(default=7, gt=0, description="log lines")
    events_days: float = Field(default=90, gt=0, description="events")
    audit_days: float = Field(default=365, gt=0, description="audit entries")
    least: LeastDays = Field(default_factory=LeastDays, description="what workspaces may choose")
    most: MostDays = Field(default_factory=MostDays, description="what workspaces may choose")

    def bounds(self) -> dict[str, KeptDays]:
        """Return the days of each kind that a workspace may choose for itself."""
        found = {}
        for name in LeastDays.model_fields:
            days, least, most = (getattr(one, name) for one in (self, self.least, self.most))
            most = days if most is None else max(most, days)
            found[name] = KeptDays(days, min(least, days), most)
        return found


class IngestSettings(BaseModel):
    """Bounds of the report queue. Beyond them senders are told to come back later (503)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queued_reports: int = Field(
        default=4_000, ge=1, description="reports that may wait for their commit"
    )
    queued_bytes: int = Field(
        default=64 * 1024 * 1024, ge=1024 * 1024, description="bytes of reports that may wait"
    )
    batch_reports: int = Field(
        default=256, ge=1, description="reports that share one commit at most"
    )


class StorageSettings(BaseModel):
    """How large the database may become."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget_bytes: int | None = Field(
        default=None,
        ge=16 * 1024 * 1024,
        description="bytes the database may take up; from 95 % on telemetry and logs are refused, "
        "until it is below 90 %",
    )
    least_free_bytes: int = Field(
        default=1024**3,
        ge=16 * 1024 * 1024,
        description="bytes to leave free on the disk of an SQLite database (at most 5 % of it are "
        "asked for); with less, telemetry and logs are refused",
    )


_HOST_AND_PORT = r"^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$"
_PRINTABLE = re.compile(r"[!-~]{1,512}")


class PortainerSettings(BaseModel):
    """The Portainer in which each provisioned device is made an Edge environment."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = Field(
        description="Where this server reaches Portainer, as in https://portainer.example.com:9443."
    )
    api_key: SecretStr = Field(
        description="Access token of a Portainer administrator, sent to that address only."
    )
    device_url: str = Field(
        "",
        description="Where devices reach Portainer; by default the same address. Portainer refuses "
        "localhost.",
    )
    tunnel_address: Annotated[str, StringConstraints(pattern=_HOST_AND_PORT)] | None = Field(
        None,
        description="Where devices reach Portainer's tunnel, as host:8000; by default the host of "
        "device_url at Portainer's tunnel port.",
    )
    group_id: int | None = Field(None, ge=1, description="Portainer's group for new environments.")
    tag_ids: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="Portainer's tags for new environments, as in [1,2]."
    )
    checkin_interval_s: int | None = Field(
        None,
        ge=1,
        le=86_400,
        description="How often devices ask Portainer for work, in seconds; by default what is set "
        "in Portainer.",
    )
    ca_bundle: Path | None = Field(
        None, description="Certificates (PEM) to trust instead of the public ones."
    )
    verify: bool = Field(
        True,  # noqa: FBT003 - a default
        description="Check Portainer's certificate. Dangerous: with false, whoever is on the way "
        "can take the access token, which is root on every device; set ca_bundle instead.",
    )
    timeout_s: float = Field(
        10, gt=0, le=30, description="How long one call of Portainer may take, in seconds."
    )
    required: bool = Field(
        False,  # noqa: FBT003 - a default
        description="Provision no device while Portainer does not answer. By default devices are "
        "provisioned all the same, and told their Edge key later.",
    )

    @field_validator("url", "device_url")
    @classmethod
    def _plain_url(cls, value: str) -> str:
        return plain_url(value) if value else value

    @field_validator("url")
    @classmethod
    def _some_url(cls, value: str) -> str:
        if not value:
            raise ValueError("it is empty; name Portainer's address, or unset it all")
        return value

    @field_validator("api_key")
    @classmethod
    def _printable(cls, value: SecretStr) -> SecretStr:
        if not _PRINTABLE.fullmatch(value.get_secret_value()):
            raise ValueError("an access token is one word of printable characters")
        return value

    @model_validator(mode="after")
    def _reachable_by_devices(self) -> Self:
        host = urlsplit(self.devices_url).hostname or ""
        if host.rstrip(".") == "localhost":
            raise ValueError(
                "Portainer refuses localhost as the address devices reach it by; set device_url to "
                "one they reach (127.0.0.1 passes, but devices will hardly reach it)"
            )
        return self

    @property
    def devices_url(self) -> str:
        """Where devices reach Portainer."""
        return self.device_url or self.url


class OidcSettings(BaseModel):
    """A provider of identities (OpenID Connect) by which people may sign in to the console.

    Its redirect address is public_url + /console/sign-in/back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    issuer: str = Field(
        description="The provider's issuer exactly as it calls itself, as in "
        "https://login.example.com/realms/acme."
    )
    client_id: str = Field(min_length=1, description="What the provider calls this server.")
    client_secret: SecretStr | None = Field(
        None, description="The secret it gave out; without one this is a public client (PKCE only)."
    )
    title: str = Field(
        "your company account",
        min_length=1,
        max_length=64,
        description="What the button says after 'Sign in with'.",
    )
    workspace: str = Field(description="Slug of the workspace that people become members of.")
    allowed_domains: tuple[str, ...] = Field(
        (),
        description='Domains of e-mail addresses, as in ["example.com"], that the provider speaks '
        "for: only they are let in, and who has an account of such an address is recognised by it. "
        "Dangerous for domains whose addresses the provider does not check. Without any, everybody "
        "with a verified address may come in new, and nobody is recognised.",
    )
    default_role: Role | None = Field(
        None,
        description="Role of whoever comes in new, or whom role_claim gives none; without it such "
        "people are not let in.",
    )
    role_claim: str | None = Field(
        None, description="Claim of the ID token that roles follow from at each sign-in: groups."
    )
    roles: dict[str, Role] = Field(
        default_factory=dict,
        description='Which value of that claim is which role, as in {"fleet-admins": "owner"}; '
        "the highest counts.",
    )
    scopes: tuple[str, ...] = Field(
        ("openid", "email", "profile"), description="Scopes to ask the provider for."
    )
    ca_bundle: Path | None = Field(
        None, description="Certificates (PEM) to trust instead of the public ones."
    )
    timeout_s: float = Field(
        10, gt=0, le=30, description="How long one call of the provider may take, in seconds."
    )

    @field_validator("issuer")
    @classmethod
    def _on_tls(cls, value: str) -> str:
        parts = urlsplit(value)
        own = parts.hostname in ("localhost", "127.0.0.1", "::1")
        fits = parts.scheme == "https" or (own and parts.scheme == "http")
        if not fits or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("an issuer is an https address without a query")
        return value

    @model_validator(mode="after")
    def _lets_somebody_in(self) -> Self:
        if bool(self.roles) != (self.role_claim is not None):
            raise ValueError("role_claim and roles go together")
        if "openid" not in self.scopes:
            raise ValueError("scopes lack openid")
        return self


class Settings(BaseSettings):
    """All settings of the server."""

    model_config = SettingsConfigDict(
        env_prefix="MOORAGE_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    host: str = Field(
        "127.0.0.1",
        description="Address to listen on. 0.0.0.0 or :: opens the server to the network: use TLS "
        "(tls_cert, tls_key) or a proxy that does.",
    )
    port: int = Field(8400, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Server processes behind the port; more than one needs PostgreSQL, and about "
        "as many cores. Each opens up to 13 connections to it.",
    )
    data: Path = Field(
        Path("moorage-data"),
        description="Folder of the embedded database (db/) and of the keys (keys/).",
    )
    database: SecretStr | None = Field(
        None,
        description="postgresql://user:password@host/name; without it SQLite in the data folder.",
    )
    keys_dir: Path | None = Field(
        None,
        description="Folder of the encryption and signing keys. Required with PostgreSQL, where "
        "several servers share one database and so must share its keys; else data/keys.",
    )
    public_url: str | None = Field(
        None,
        description="How devices and people reach this server, as in https://fleet.example.com; by "
        "default the address it listens on. Stands in installers, so it is never taken from a "
        "request.",
    )
    tls_cert: Path | None = Field(None, description="Certificate chain (PEM) to serve TLS with.")
    tls_key: Path | None = Field(None, description="Its private key (PEM).")
    tls_pinned: bool = Field(
        False,  # noqa: FBT003 - a default
        description="Install lines carry the fingerprint of the certificate's key, for a "
        "certificate that devices do not trust by themselves, such as one of 'moorage tls init'. "
        "Needs tls_cert. A certificate renewed with another key locks those devices out.",
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses of proxies whose X-Forwarded-For and -Proto are believed, "
        "comma-separated. Dangerous: '*' lets any client claim any address.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged. Reports are logged one by one at debug."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="Lines of JSON or of text; auto is text on a terminal."
    )
    install_token_minutes: float = Field(
        10, ge=1, le=43_200, description="How long an install token can be redeemed."
    )
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="What a Prometheus sends as Bearer token to read /metrics. Without it only "
        "this machine may read them, and not through a proxy.",
    )
    rate_limits: Literal["on", "off"] = Field(
        "on",
        description="Limits of what is read in the Deployment Manager API and of what one key may "
        "ask; off is for tests and benchmarks.",
    )
    rate_limits_url: SecretStr | None = Field(
        None,
        description="valkey://[:password@]host:6379/0 (or redis://, valkeys://, rediss://): a "
        "Valkey or Redis in which all servers count together. Without it, and while it does not "
        "answer, each server process counts for itself.",
    )
    requests_per_minute: int = Field(
        3000,
        ge=0,
        description="What one key may ask of one API in a minute, reports and the Deployment "
        "Manager API not counted. 0 is no limit: one key can then use up the server.",
    )
    retention: RetentionSettings = Field(
        default_factory=RetentionSettings, description="How long data is kept."
    )
    ingest: IngestSettings = Field(
        default_factory=IngestSettings, description="Bounds of the report queue."
    )
    storage: StorageSettings = Field(
        default_factory=StorageSettings, description="How large the database may become."
    )

    portainer: PortainerSettings | None = Field(
        None, description="Portainer, for devices that are to be Edge environments of it."
    )
    oidc: OidcSettings | None = Field(
        None, description="A provider of identities by which people sign in to the console."
    )

    @field_validator("public_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        return None if value is None else plain_url(value)

    @model_validator(mode="after")
    def _something_to_pin(self) -> Self:
        if self.tls_pinned and self.tls_cert is None:
            raise ValueError("tls_pinned needs tls_cert: there is no certificate to pin")
        if self.tls_pinned and (self.public_url or "https://").startswith("http://"):
            raise ValueError("tls_pinned needs a public_url that begins with https://")
        return self

    @field_validator("rate_limits_url")
    @classmethod
    def _known_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit("" if value is None else value.get_secret_value())
        known = parts.scheme in ("valkey", "valkeys", "redis", "rediss")
        if value is not None and not (known and parts.hostname):
            raise ValueError(
                "the address is valkey://host:port/number, or redis://, ...s:// on TLS"
            )
        return value

    @property
    def database_url(self) -> str:
        """The address of the database, secrets included."""
        if self.database is not None:
            return self.database.get_secret_value()
        return f"sqlite:///{self.data.absolute() / 'db' / 'moorage.db'}"

    @property
    def uses_postgresql(self) -> bool:
        """Whether the database is not the embedded one."""
        return self.database is not None and not self.database_url.startswith("sqlite")


def load_settings(config: Path | None = None, **options: Any) -> Settings:
    """Read the settings: options given (None: not given), environment, file, defaults.

    Raises:
        pydantic.ValidationError: a value is wrong; the text names the setting, not the value.
        FileNotFoundError: there is no such file.
        tomllib.TOMLDecodeError: it is not TOML.

    """

    class Chosen(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            file = TomlConfigSettingsSource(settings_cls, toml_file=config)
            return (init_settings, env_settings, file)

    if config is not None:
        config.read_bytes()  # a file that was named must be there
    return Chosen(**{name: value for name, value in options.items() if value is not None})
