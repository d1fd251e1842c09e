"""Wiring: one place that knows every part."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Receive, Scope, Send

from moorage import console
from moorage.core.workspaces import RESERVED_SLUGS
from moorage.dialects import acusight, flatpeak, native, roboflow
from moorage.dialects.common import Callers, Counters, Services
from moorage.ingest import Ingest, IngestLimits, Kept, Retention
from moorage.kit.clock import Clock, SystemClock
from moorage.server import health, tls
from moorage.server.environments import environments_of
from moorage.server.first_start import hand_out_link
from moorage.server.front import Below, FrontDoor
from moorage.server.identity import admission_of, provider_of
from moorage.server.jobs import Jobs
from moorage.server.opening import opened
from moorage.server.room import RoomWatch
from moorage.server.settings import Settings
from moorage.server.virtual import VirtualFleet
from moorage.storage import Database, StorageError, alive, relayed
from moorage.storage.sizes import Limits

_READY_WITHIN_S = 2.0


class App:
    """The server as an ASGI application with a lifespan.

    ``public_url`` may be given late: with port 0 it is known only once the socket is bound.
    ``closing`` is set by whoever runs it, to end answers that are held before it waits for them.
    ``failure`` is what ended its lifespan, for whoever runs it and only sees that it did not start.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        public_url: str | None = None,
        clock: Clock | None = None,
        worker: int | None = None,
    ) -> None:
        """Keep the settings; nothing is opened before the lifespan begins."""
        self.settings = settings
        self.public_url = public_url or settings.public_url or default_public_url(settings)
        self._clock = clock or SystemClock()
        self._worker = worker
        self.native: ASGIApp | None = None
        self.roboflow: roboflow.DeploymentManager | None = None
        self.flatpeak: flatpeak.FlatpeakApp | None = None
        self.acusight: acusight.AcusightApp | None = None
        self._front: FrontDoor | None = None
        self.failure: BaseException | None = None
        self.closing = asyncio.Event()
        self.kept = Kept(retention_of(settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or run the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if self._front is None:
            raise RuntimeError("the application was not started; run its lifespan first")
        await self._front(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with self.running():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except BaseException as error:
            kind = "shutdown" if self._front else "startup"
            self.failure = error
            await send({"type": f"lifespan.{kind}.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Services]:
        """Open everything, and on leaving flush and close it."""
        settings = self.settings
        kept, bounds = self.kept, settings.retention.bounds()
        async with opened(settings, clock=self._clock) as (db, keyring), relayed(db):
            async with db.write() as tx:
                await alive.mark(tx)
            limits = IngestLimits(**settings.ingest.model_dump())
            ingest = Ingest(db, retention=kept, limits=limits)
            watch = RoomWatch(db, ingest.room, Limits(**settings.storage.model_dump()))
            shared = settings.rate_limits_url
            counters = Counters(None if shared is None else shared.get_secret_value())
            environments = environments_of(settings.portainer, db, self.closing)
            provider = provider_of(settings.oidc)
            services = Services(
                db=db,
                ingest=ingest,
                callers=Callers(db),
                public_url=self.public_url,
                install_token_expires_s=int(settings.install_token_minutes * 60),
                clock=self._clock,
                signer=keyring.signing,
                server_key=keyring.public_key,
                login_key=keyring.login_key,
                closing=self.closing,
                counters=counters,
                rate_limits=settings.rate_limits == "on",
                requests_per_minute=settings.requests_per_minute
                if settings.rate_limits == "on"
                else 0,
                environments=environments,
                identity_provider=provider,
                admission=admission_of(settings.oidc),
                pin=tls.pin_of(settings),
                kept_days=bounds,
                watch=watch,
            )
            jobs = Jobs(db, kept, watch, bounds)

            def warnings() -> list[str]:
                told = [environments.warning if environments else None, counters.warning]
                return [one for one in told if one]

            async def ready() -> str | None:
                missing = await _missing(db)
                if missing is None and not jobs.takes_writes:
                    return "the database takes no writes: the log says why"
                return missing

            registry = _registry(ingest, self._worker)
            watch.add_to(registry, jobs.cleared)
            self._front = self._wire(services, ready, warnings, registry)
            ending = asyncio.create_task(self._end_waits(db), name="end-waits")
            virtual = VirtualFleet(db, self._front)
            await jobs.prepare()
            if self._worker in (None, 1):
                await hand_out_link(db, settings, self.public_url)
            ingest.start()
            jobs.start()
            virtual.start()
            if environments is not None:
                environments.start()
            try:
                yield services
            finally:
                ending.cancel()
                await counters.close()
                await virtual.stop()
                # Reports in the queue were not answered yet: write and answer them, then close.
                await ingest.stop()
                await jobs.stop()
                if environments is not None:
                    await environments.stop()
                if provider is not None:
                    await provider.aclose()

    async def _end_waits(self, db: Database) -> None:
        await self.closing.wait()
        db.announcements.end()

    def _wire(
        self,
        services: Services,
        ready: Callable[[], Awaitable[str | None]],
        warnings: Callable[[], list[str]],
        registry: CollectorRegistry,
    ) -> FrontDoor:
        self.native = native.create_app(services)

        self.roboflow = roboflow.create_app(services)
        self.flatpeak = flatpeak.create_app(services)
        self.acusight = acusight.create_app(services)
        documents = {
            "deployment-manager": self.roboflow.api.openapi,
            "flatpeak": self.flatpeak.api.openapi,
            "acusight": self.acusight.api.openapi,
        }
        ours = health.create_app(ready, registry, documents, warnings, self.settings.metrics_token)
        by_segment: dict[str, ASGIApp] = dict.fromkeys(RESERVED_SLUGS, ours)
        by_segment["v1"] = self.native
        by_segment["api"] = self.acusight
        by_segment["setup"] = acusight.SetupApp(services)
        by_segment |= dict.fromkeys(flatpeak.SEGMENTS, self.flatpeak)
        installer = roboflow.InstallApp(services)
        by_segment["devices"] = Below("/devices/v2/", installer, self.flatpeak)
        by_segment["console"] = console.create_app(services)
        by_segment["inference-stats"] = self.roboflow.guarded
        return FrontDoor(by_segment, self.roboflow.guarded, registry)


def create_app(
    settings: Settings,
    *,
    public_url: str | None = None,
    clock: Clock | None = None,
    worker: int | None = None,
) -> App:
    """Return the application of these settings; importing or calling this opens nothing.

    ``worker``: which of several processes behind one port it is.
    """
    return App(settings, public_url=public_url, clock=clock, worker=worker)


def default_public_url(settings: Settings) -> str:
    """Return the address the server listens on, as a URL."""
    scheme = "https" if settings.tls_cert else "http"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"


def retention_of(settings: Settings) -> Retention:
    """Return the retention of the settings."""
    kept = settings.retention
    return Retention(
        telemetry=timedelta(days=kept.telemetry_days),
        telemetry_5min=timedelta(days=kept.telemetry_5min_days),
        telemetry_hourly=timedelta(days=kept.telemetry_hourly_days),
        logs=timedelta(days=kept.logs_days),
        events=timedelta(days=kept.events_days),
        audit=timedelta(days=kept.audit_days),
    )


async def _missing(db: Database) -> str | None:
    try:
        async with asyncio.timeout(_READY_WITHIN_S), db.read() as tx:
            await alive.absences(tx)
    except (StorageError, TimeoutError):
        return "the database does not answer"
    return None


def _registry(ingest: Ingest, worker: int | None) -> CollectorRegistry:
    registry = CollectorRegistry()
    if worker is not None:
        # All figures are this process's own. A scrape of the shared port reaches any of them.
        told = Gauge(
            "moorage_worker_info", "Which process told this", ["worker"], registry=registry
        )
        told.labels(str(worker)).set(1)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    for name, text, read in (
        ("queued", "Reports waiting for their commit", lambda: ingest.queued_reports),
        ("committed_total", "Reports answered after a commit", lambda: ingest.committed_reports),
        ("batches_total", "Commits of reports", lambda: ingest.committed_batches),
        ("refused_total", "Reports turned away unstored", lambda: ingest.refused_reports),
    ):
        Gauge(f"moorage_reports_{name}", text, registry=registry).set_function(read)
    return registry
