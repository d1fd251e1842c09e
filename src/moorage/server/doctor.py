"""Looking at what a server needs before it is needed. It only looks: nothing is made or changed."""

import ipaddress
import shutil
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

import moorage
from moorage.outbound import Portainer
from moorage.server.environments import setup_of
from moorage.server.keyring import KEY_FILES, KeysMissing, open_keyring
from moorage.server.opening import SetupError, open_for
from moorage.server.run import check_tls
from moorage.server.settings import PortainerSettings, Settings
from moorage.storage import PostgresDatabase, SQLiteDatabase, StorageError, growth, identity
from moorage.storage.migrate import check_version, current_version, newest_version
from moorage.storage.sizes import Limits, is_full, measure

_LEAST_FREE_BYTES = 512 * 1024 * 1024
_EXPIRES_SOON = timedelta(days=21)
_FULL_SOON_DAYS = 21


class Outcome(StrEnum):
    """How a look ended: an error keeps the server, or its devices, from working."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and what would be right where it is not."""

    outcome: Outcome
    subject: str
    detail: str | None = None


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything; whatever is found is a finding, never an exception."""
    python = sys.version.split()[0]
    found = [Finding(Outcome.OK, f"Moorage {moorage.__version__}, Python {python}")]
    found += _clock(datetime.now(UTC))
    found += _folders(settings)
    found += [one async for one in _database(settings)]
    found += _addresses(settings)
    found += _encryption(settings)
    if settings.portainer is not None:
        found += [one async for one in _portainer(settings.portainer)]
    return found


def _clock(now: datetime) -> Iterator[Finding]:
    installed = datetime.fromtimestamp(Path(moorage.__file__).stat().st_mtime, UTC)
    if now < installed - timedelta(days=1):
        yield Finding(
            Outcome.ERROR,
            "clock",
            f"it says {now:%Y-%m-%d %H:%M} UTC, before this release was installed; set the clock "
            "and keep it with NTP, or tokens expire and devices fall silent at the wrong time",
        )
    else:
        yield Finding(Outcome.OK, f"clock says {now:%Y-%m-%d %H:%M} UTC")


def _folders(settings: Settings) -> Iterator[Finding]:
    if not settings.uses_postgresql:
        yield _data_folder(settings.data)
    folder = settings.keys_dir or settings.data / "keys"
    for name in KEY_FILES:
        path = folder / name
        if path.exists():
            yield _key_file(path)


def _data_folder(folder: Path) -> Finding:
    subject = f"data folder {folder}"
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < _LEAST_FREE_BYTES:
        detail = f"only {free // 2**20} MiB free; make room, the database grows with the fleet"
        return Finding(Outcome.ERROR, subject, detail)
    if folder.exists() and _mode(folder) & 0o077:
        detail = f"others on this machine can look into it; chmod 700 {folder}"
        return Finding(Outcome.WARNING, subject, detail)
    return Finding(Outcome.OK, subject)


def _key_file(path: Path) -> Finding:
    mode = _mode(path)
    right = f"chmod 600 {path}"
    if mode & 0o007:
        detail = f"everybody on this machine can read the key; {right}, and take it as known"
        return Finding(Outcome.ERROR, f"key file {path}", detail)
    if mode & 0o070:
        detail = f"its group can read the key; {right} unless that is meant"
        return Finding(Outcome.WARNING, f"key file {path}", detail)
    return Finding(Outcome.OK, f"key file {path}")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    if not settings.uses_postgresql and not (settings.data / "db" / "moorage.db").exists():
        yield Finding(Outcome.OK, "no database yet: 'moorage serve' makes one here")
        return
    try:
        db = open_for(settings)
    except SetupError as error:
        yield Finding(Outcome.ERROR, "database and keys", str(error))
        return
    try:
        current = await check_version(db)
        version = await current_version(db)
        yield _schema(version, current=current, waits=settings.uses_postgresql)
        if version is not None:
            yield await _keys(settings, db)
        if current:
            yield await _room(settings, db)
    except (KeysMissing, StorageError) as error:
        yield Finding(Outcome.ERROR, "database and keys", str(error))
    finally:
        await db.close()


async def _room(settings: Settings, db: SQLiteDatabase | PostgresDatabase) -> Finding:
    """Say how large the database is, and when it is full."""
    limits = Limits(**settings.storage.model_dump())
    size = await measure(db)
    async with db.read() as tx:
        past = await growth.measured(tx)
    most = limits.most_bytes(size)
    ahead = growth.forecast(past, used_bytes=size.used_bytes, most_bytes=most)
    subject = f"the database uses {_mib(size.used_bytes)}"
    if is_full(size, limits, was_full=False):
        detail = f"telemetry and logs are refused from {_mib(most or 0)} on; make room on the disk"
        more = "keep less ('moorage workspace update --keep-...') or raise storage.budget_bytes"
        return Finding(Outcome.ERROR, subject, f"{detail}, {more}")
    if ahead.bytes_per_day is None:
        told = f"{ahead.days_measured} of {growth.FEWEST_DAYS} days measured that a forecast needs"
        return Finding(Outcome.OK, f"{subject}; {told}")
    pace = f"{ahead.bytes_per_day / 2**20:+.1f} MiB a day"
    if ahead.full_in_days is not None and ahead.full_in_days < _FULL_SOON_DAYS:
        detail = f"full in {ahead.full_in_days:.0f} days at {pace}; make room, or keep less"
        return Finding(Outcome.WARNING, subject, detail)
    if most is None:
        return Finding(Outcome.OK, f"{subject}, {pace}; no storage.budget_bytes, so no forecast")
    if ahead.full_in_days is None:
        return Finding(Outcome.OK, f"{subject}, {pace}; it will not be full in years")
    return Finding(Outcome.OK, f"{subject}, {pace}; full in {ahead.full_in_days:.0f} days")


def _mib(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"


def _schema(version: str | None, *, current: bool, waits: bool) -> Finding:
    if version is None:
        return Finding(Outcome.OK, "the database is empty: 'moorage serve' sets it up")
    subject = f"database at schema version {version}"
    if current:
        return Finding(Outcome.OK, subject)
    if waits:
        detail = f"this release needs {newest_version()}; run 'moorage migrate', then 'serve'"
        return Finding(Outcome.ERROR, subject, detail)
    detail = f"'moorage serve' copies the file and brings it to {newest_version()}"
    return Finding(Outcome.WARNING, subject, detail)


async def _keys(settings: Settings, db: SQLiteDatabase | PostgresDatabase) -> Finding:
    if settings.uses_postgresql and settings.keys_dir is None:
        detail = "with PostgreSQL the keys need a named folder: set keys_dir (MOORAGE_KEYS_DIR)"
        return Finding(Outcome.ERROR, "database and keys", detail)
    async with db.read() as tx:
        if not await identity.is_claimed(tx):
            return Finding(Outcome.OK, "the database answers; its keys are made when it is served")
        keyring = open_keyring(settings.keys_dir or settings.data / "keys", create=False)
        await identity.claim_or_check(tx, keyring.check_values)
    return Finding(Outcome.OK, "the database answers, and the keys belong to it")


def _addresses(settings: Settings) -> Iterator[Finding]:
    open_to_others = not _is_this_machine(settings.host)
    if settings.public_url is None:
        if open_to_others:
            detail = "it is not set, so installers name the address listened on; set how devices"
            yield Finding(Outcome.WARNING, "public_url", f"{detail} reach this server")
        return
    subject = f"public_url {settings.public_url}"
    parts = urlsplit(settings.public_url)
    if _is_this_machine(parts.hostname or ""):
        detail = "devices elsewhere cannot reach this machine by it; set how they do"
        yield Finding(Outcome.WARNING if open_to_others else Outcome.OK, subject, detail)
    elif parts.scheme != "https":
        detail = "keys go over the network in the clear; use TLS here or in a proxy, and https://"
        yield Finding(Outcome.WARNING, subject, detail)
    else:
        yield Finding(Outcome.OK, subject)


def _encryption(settings: Settings) -> Iterator[Finding]:
    try:
        check_tls(settings)
    except SetupError as error:
        yield Finding(Outcome.ERROR, "encryption", str(error))
        return
    if settings.tls_cert is not None:
        yield _certificate(settings.tls_cert)
    elif _is_this_machine(settings.host):
        yield Finding(Outcome.OK, "the server listens to this machine only")
    elif settings.trusted_proxies:
        yield Finding(Outcome.OK, "encryption is left to the trusted proxies")
    else:
        yield Finding(
            Outcome.ERROR,
            "encryption",
            "the server listens beyond this machine without TLS; set tls_cert and tls_key",
        )


def _certificate(path: Path) -> Finding:
    subject = f"certificate {path}"
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    until = certificate.not_valid_after_utc
    left = until - datetime.now(UTC)
    renew = "renew it (one of 'moorage tls init' with --renew)"
    if left < timedelta(0):
        return Finding(Outcome.ERROR, subject, f"it ran out on {until:%Y-%m-%d}; {renew}")
    if left < _EXPIRES_SOON:
        return Finding(Outcome.WARNING, subject, f"it runs out on {until:%Y-%m-%d}; {renew}")
    return Finding(Outcome.OK, subject, f"it is good until {until:%Y-%m-%d}")


async def _portainer(settings: PortainerSettings) -> AsyncIterator[Finding]:
    subject = f"Portainer at {settings.url}"
    # A server that can do without provisions devices all the same.
    worst = Outcome.ERROR if settings.required else Outcome.WARNING
    try:
        manager = Portainer(setup_of(settings))
    except ValueError as error:
        yield Finding(Outcome.ERROR, subject, f"portainer.ca_bundle is wrong: {error}")
        return
    try:
        wrong = await manager.health()
    finally:
        await manager.aclose()
    yield Finding(Outcome.OK if wrong is None else worst, subject, wrong)
    parts = urlsplit(settings.url)
    if not _is_this_machine(parts.hostname or "") and (
        parts.scheme != "https" or not settings.verify
    ):
        detail = "whoever is on the way can take the access token; use https:// and verify it"
        yield Finding(Outcome.WARNING, "encryption towards Portainer", detail)
    if _is_this_machine(urlsplit(settings.devices_url).hostname or ""):
        detail = "devices cannot reach this machine by it; set portainer.device_url"
        yield Finding(Outcome.WARNING, f"Portainer for devices at {settings.devices_url}", detail)


def _is_this_machine(host: str) -> bool:
    if host.rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
