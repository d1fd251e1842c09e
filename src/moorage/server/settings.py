"""One frozen object of settings, from environment (``MOORAGE_...``) and TOML; safe defaults."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from moorage.kit.url import plain_url


class RetentionSettings(BaseModel):
    """How long things are kept, in days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    telemetry_days: float = Field(default=14, gt=0, description="telemetry samples")
    logs_days: float = Field(default=7, gt=0, description="log lines")
    events_days: float = Field(default=90, gt=0, description="events")
    audit_days: float = Field(default=365, gt=0, description="audit entries")


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
    rate_limits: Literal["on", "off"] = Field(
        "on",
        description="Limits of what is read in the Deployment Manager API and of what one key may "
        "ask; off is for tests and benchmarks.",
    )
    requests_per_minute: int = Field(
        3000,
        ge=0,
        description="What one key may ask of the native API in a minute, reports not counted; "
        "each server process counts for itself. 0 is no limit: one key can then use up the server.",
    )
    retention: RetentionSettings = Field(
        default_factory=RetentionSettings, description="How long data is kept."
    )
    ingest: IngestSettings = Field(
        default_factory=IngestSettings, description="Bounds of the report queue."
    )

    @field_validator("public_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        return None if value is None else plain_url(value)

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
