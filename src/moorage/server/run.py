"""Running the server on a socket until it is told to stop."""

import asyncio
import contextlib
import gc
import signal
import socket
import ssl
import sys
from types import FrameType
from typing import NoReturn

import structlog
import uvicorn

from moorage.server.app import App, create_app, default_public_url
from moorage.server.logs import configure_logs
from moorage.server.opening import SetupError
from moorage.server.settings import Settings
from moorage.server.workers import ENDINGS, Place, Supervisor
from moorage.storage import StorageError

_log = structlog.get_logger("moorage.server")
_FLUSH_WITHIN_S = 20
# Objects made and not yet freed, before the young ones are looked through; some 10 MB at most.
_COLLECT_AFTER = 50_000
# Elsewhere the option is there, but does not spread connections.
_OWN_QUEUES = sys.platform == "linux"


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are finished and reports flushed.

    With several workers each is a process of its own behind the same port.

    Raises:
        SetupError: the address is taken, or the server cannot start as it is set up.
        StorageError: the database cannot be had, or is not for this release or these keys.

    """
    configure_logs(settings.log_level, settings.log_format)
    check_tls(settings)
    if settings.workers > 1 and not settings.uses_postgresql:
        raise SetupError(
            "several workers need PostgreSQL: an SQLite file is for one process at a time; "
            "set a database, or leave workers at 1"
        )
    listener = _listen(settings)
    bound = settings.model_copy(update={"port": listener.getsockname()[1]})
    bound = bound.model_copy(
        update={"public_url": settings.public_url or default_public_url(bound)}
    )
    _log.info("listening", url=default_public_url(bound), public_url=bound.public_url)
    try:
        if settings.workers == 1:
            _serve_on(listener, bound)
        else:
            _serve_with_workers(listener, bound)
    finally:
        listener.close()


def _serve_with_workers(probe: socket.socket, settings: Settings) -> None:
    """Let several processes serve; each has a queue of connections of its own where that is had.

    On one queue whoever wakes first takes all there are, and one worker gets most of a fleet.
    """
    if not _OWN_QUEUES:
        Supervisor(settings.workers, lambda place: _serve_on(probe, settings, place)).run()
        return
    # The address was free a moment ago; now it is kept, by a socket that takes no connection.
    probe.close()
    kept = _listen(settings, shared=True)

    def work(place: Place) -> None:
        with _listen(settings, shared=True) as own:
            kept.close()
            _serve_on(own, settings, place)

    try:
        Supervisor(settings.workers, work).run()
    finally:
        kept.close()


def _serve_on(listener: socket.socket, settings: Settings, place: Place | None = None) -> None:
    if place is not None:
        configure_logs(settings.log_level, settings.log_format, worker=place.number)
    app = create_app(settings, worker=None if place is None else place.number)
    _tune_collector()
    server = _Server(config_of(settings, app), app, place)
    # When all is finished, uvicorn sends itself the signal again, for whoever minded it before.
    for ending in ENDINGS:
        signal.signal(ending, _leave)
    try:
        server.run(sockets=[listener])
    except SystemExit:
        if isinstance(app.failure, SetupError | StorageError):
            raise app.failure from None
        raise


def _tune_collector() -> None:
    """Let the cycle collector look less often.

    Next to all that a request makes is freed by counting references. At its default the collector
    walks everything there is several times while one list of ten thousand devices is built, which
    took a third of that answer's time. What was imported never goes, so it is not looked at either.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 10, 10)


class _Server(uvicorn.Server):
    """Tells the application at once when it is to end, not only when all requests are done."""

    def __init__(self, config: uvicorn.Config, app: App, place: Place | None) -> None:
        super().__init__(config)
        self._app = app
        self._place = place

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._place is not None and self.started:
            asyncio.get_running_loop().add_reader(self._place.lifeline, self._parent_gone)
            self._place.ready()

    def _parent_gone(self) -> None:
        if self._place is not None:
            asyncio.get_running_loop().remove_reader(self._place.lifeline)
        _log.warning("parent_gone")
        self._app.closing.set()
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._place is not None and sig == signal.SIGINT:
            return  # a terminal's, for all; the parent says what to do
        # A signal's handler runs in the main thread, but between any two steps of the loop's.
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().call_soon_threadsafe(self._app.closing.set)
        super().handle_exit(sig, frame)


def _leave(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def config_of(settings: Settings, app: App) -> uvicorn.Config:
    """Return how the web server is set up. Its own access log is off: it would write keys down."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        timeout_graceful_shutdown=_FLUSH_WITHIN_S,
        backlog=4096,
    )


def check_tls(settings: Settings) -> None:
    """Raise SetupError unless certificate and key belong together, or there is neither."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SetupError("TLS needs both tls_cert and tls_key; only one of them is set")
    if settings.tls_cert is None or settings.tls_key is None:
        return
    try:
        # Not the default context: reading in whom a client trusts takes longer than all the rest.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise SetupError(
            f"the certificate {settings.tls_cert} and its key cannot be used: {error}"
        ) from None


def _listen(settings: Settings, *, shared: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise SetupError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}; choose "
            "another with --port, or stop what uses it"
        ) from None
    listener.set_inheritable(True)
    return listener
