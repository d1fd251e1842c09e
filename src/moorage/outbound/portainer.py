"""Portainer as the manager of environments: one Edge environment a device, found by its name.

A name is unique in Portainer and nobody else makes names like ours, so it is what a call can be
repeated by: whatever became of an earlier one, what has the name is what that call made. What one
would not expect of Portainer's API is said at the line.
"""

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import httpx
import msgspec

from moorage.core.environments import Made, ManagerRefused, ManagerUnavailable
from moorage.outbound.addresses import AddressRefused
from moorage.outbound.http import AnswerTooLong, open_client, read_all, tls_context

# An environment without its snapshots is some 2 KB; a release that does not know the filter by name
# answers with all of them.
_ANSWER_BYTES = 4 * 1024 * 1024
_CONNECTIONS = 8
_EDGE_AGENT = "4"  # type of creation
_EDGE_TYPES = ("4", "7")  # types of environment: on Docker, on Kubernetes
_LONGEST_EDGE_KEY = 4096
_LONGEST_WORDS = 200
_OK, _NOT_FOUND, _CONFLICT = 200, 404, 409
_REFUSALS = {400, 401, 403}
_GONE = {200, 204, _NOT_FOUND}
_REDIRECTS = range(300, 400)
# What could be a key among words.
_LONG_WORD = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_EDGE_KEY = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class PortainerSetup:
    """Where Portainer is and how environments are made there; None and () leave it to Portainer.

    ``device_url`` is where devices reach it; ``timeout_s`` bounds each call as a whole.
    """

    url: str
    api_key: str = field(repr=False)
    device_url: str
    tunnel_address: str | None = None
    group_id: int | None = None
    tag_ids: tuple[int, ...] = ()
    checkin_interval_s: int | None = None
    ca_bundle: Path | None = None
    verify: bool = True
    timeout_s: float = 10.0

    @property
    def key_header(self) -> dict[str, str]:
        """The one header Portainer is to know us by; beside another login it refuses both."""
        return {"X-API-KEY": self.api_key}


class _Row(msgspec.Struct):
    """An environment, of all that Portainer says of it."""

    id: int = msgspec.field(name="Id")
    name: str = msgspec.field(name="Name", default="")
    edge_key: str = msgspec.field(name="EdgeKey", default="")
    edge_id: str = msgspec.field(name="EdgeID", default="")


class _Said(msgspec.Struct):
    """A refusal."""

    message: str = ""
    details: str = ""


class _Lost(Exception):
    """The call may have been carried out, or not: its answer did not come, or is none."""


_decode_row = msgspec.json.Decoder(_Row).decode
# An empty list may come as null.
_decode_rows = msgspec.json.Decoder(list[_Row] | None).decode
_decode_said = msgspec.json.Decoder(_Said).decode


class Portainer:
    """Makes, finds and removes environments. Close it when done."""

    def __init__(self, setup: PortainerSetup) -> None:
        """Open nothing yet.

        Raises:
            ValueError: the certificates to trust cannot be used.

        """
        self._setup = setup
        self._client = open_client(
            tls_context(ca_bundle=setup.ca_bundle, verify=setup.verify),
            headers={**setup.key_header, "Accept": "application/json"},
            connections=_CONNECTIONS,
            timeout=httpx.Timeout(setup.timeout_s),
        )

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def make(self, name: str) -> Made:
        """Make the environment of a name, or adopt the one an earlier call made.

        Raises:
            ManagerUnavailable: Portainer does not answer, or not as it should.
            ManagerRefused: it refuses the key or the request, or an agent has joined it already.

        """
        try:
            status, content = await self._ask("POST", "/api/endpoints", form=self._form(name))
        except _Lost as lost:
            return await self._adopt(name, str(lost))
        if status == _OK:
            made = _made(content)
            return made or await self._adopt(name, "Portainer's answer has no Edge key")
        # A 500 may have left the row behind: it is stored before all that belongs to it is.
        if status == _CONFLICT or status >= 500:  # noqa: PLR2004 - the server's own faults
            return await self._adopt(name, self._sentence(status, content))
        raise self._refusal(status, content)

    async def remove(self, name: str, endpoint_id: int | None) -> None:
        """Remove what has the name. What has only the number is somebody else's, or was renamed.

        Raises:
            ManagerUnavailable: Portainer does not answer, or not as it should.
            ManagerRefused: it refuses, or the environment has another name by now.

        """
        found = await self._find(name)
        if found is not None:
            status, content = await self._ask_again("DELETE", f"/api/endpoints/{found.id}")
            if status not in _GONE:
                raise self._refusal(status, content)
            return
        if endpoint_id is None:
            return
        status, content = await self._ask_again("GET", f"/api/endpoints/{endpoint_id}")
        if status == _OK:
            raise ManagerRefused(
                f"Portainer's environment {endpoint_id} has another name than the one it was made "
                "with and was left alone; remove it there if it was the device's"
            )
        if status != _NOT_FOUND:
            raise self._refusal(status, content)

    async def health(self) -> str | None:
        """Say what is wrong between Portainer and us, or None."""
        try:
            status, content = await self._ask_again("GET", "/api/system/status")
            if status != _OK:
                return str(self._refusal(status, content))
            # Anybody may ask for the status; whether the key is good shows with this.
            await self._find("moorage-")
        except (ManagerUnavailable, ManagerRefused) as error:
            return str(error)
        return None

    def _form(self, name: str) -> dict[str, str]:
        setup = self._setup
        wanted = {
            "Name": name,
            "EndpointCreationType": _EDGE_AGENT,
            "URL": setup.device_url,
            "EdgeTunnelServerAddress": setup.tunnel_address,
            "GroupID": setup.group_id,
            "TagIds": f"[{','.join(map(str, setup.tag_ids))}]" if setup.tag_ids else None,
            "EdgeCheckinInterval": setup.checkin_interval_s,
        }
        return {key: str(value) for key, value in wanted.items() if value is not None}

    async def _adopt(self, name: str, why: str) -> Made:
        found = await self._find(name)
        if found is None:
            raise ManagerUnavailable(why)
        if found.edge_id:
            # Nobody was given this key yet, so whoever joined with it is not the device.
            raise ManagerRefused(
                f"Portainer's environment {found.id} of this device's name has an agent already; "
                "remove it there, then restart this server"
            )
        made = _of_row(found)
        if made is None:
            raise ManagerUnavailable("Portainer shows the environment without an Edge key")
        return made

    async def _find(self, name: str) -> _Row | None:
        query = [("name", name), *(("types[]", one) for one in _EDGE_TYPES)]
        query.append(("excludeSnapshots", "true"))
        status, content = await self._ask_again("GET", f"/api/endpoints?{urlencode(query)}")
        if status != _OK:
            raise self._refusal(status, content)
        try:
            rows = _decode_rows(content) or []
        except msgspec.DecodeError:
            raise ManagerUnavailable(
                "what answers there does not speak as Portainer does"
            ) from None
        return next((row for row in rows if row.name == name), None)

    async def _ask_again(self, method: str, target: str) -> tuple[int, bytes]:
        """Ask for what can be asked for any number of times."""
        try:
            return await self._ask(method, target)
        except _Lost as lost:
            raise ManagerUnavailable(str(lost)) from None

    async def _ask(
        self, method: str, target: str, *, form: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return status and body of one call.

        Raises:
            ManagerUnavailable: the call never reached Portainer.
            _Lost: it may have.

        """
        # Parts without a file name: Portainer takes multipart only, also where there is no file.
        parts = None if form is None else {key: (None, value) for key, value in form.items()}
        request = self._client.build_request(method, self._setup.url + target, files=parts)
        try:
            async with asyncio.timeout(self._setup.timeout_s):
                response = await self._client.send(request, stream=True)
                try:
                    return response.status_code, await read_all(response, _ANSWER_BYTES)
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ManagerUnavailable(_unreachable(error)) from None
        except (TimeoutError, httpx.TimeoutException):
            raise _Lost(f"Portainer did not answer within {self._setup.timeout_s:g} s") from None
        except AnswerTooLong:
            raise _Lost("Portainer's answer is longer than it can be") from None
        except httpx.HTTPError:
            raise _Lost("Portainer broke off before it answered") from None

    def _refusal(self, status: int, content: bytes) -> ManagerUnavailable | ManagerRefused:
        said = self._sentence(status, content)
        return ManagerRefused(said) if status in _REFUSALS else ManagerUnavailable(said)

    def _sentence(self, status: int, content: bytes) -> str:
        if status in _REDIRECTS:
            return (
                f"Portainer's address answers with a redirect ({status}), which is not followed; "
                "set MOORAGE_PORTAINER__URL to where it leads"
            )
        if status in (401, 403):
            return (
                f"Portainer refuses the access token ({status}); make one as an administrator of "
                "it and set MOORAGE_PORTAINER__API_KEY"
            )
        try:
            said = _decode_said(content)
        except msgspec.DecodeError:
            return f"Portainer answered {status}"
        words = ": ".join(part for part in (said.message, said.details) if part)
        return f"Portainer answered {status}" + (f": {self._shown(words)}" if words else "")

    def _shown(self, words: str) -> str:
        """Make words from outside fit to be shown and stored: short, printable, without a key."""
        plain = "".join(one if one.isprintable() else " " for one in words)
        plain = plain.replace(self._setup.api_key, "…")
        return _LONG_WORD.sub("…", plain)[:_LONGEST_WORDS]


def _made(content: bytes) -> Made | None:
    try:
        return _of_row(_decode_row(content))
    except msgspec.DecodeError:
        return None


def _of_row(row: _Row) -> Made | None:
    key = row.edge_key
    good = row.id > 0 and len(key) <= _LONGEST_EDGE_KEY and _EDGE_KEY.fullmatch(key)
    return Made(row.id, key) if good else None


def _unreachable(error: httpx.TransportError) -> str:
    refused = isinstance(error.__cause__, AddressRefused)
    if isinstance(error, httpx.PoolTimeout):
        return "too many calls of Portainer are under way"
    if isinstance(error, httpx.ConnectTimeout):
        return "Portainer cannot be reached: it does not answer"
    if refused or "CERTIFICATE_VERIFY_FAILED" not in str(error):
        return f"Portainer cannot be reached: {error}"
    return (
        "Portainer's certificate is not one this server trusts; name the authority's in "
        "MOORAGE_PORTAINER__CA_BUNDLE"
    )
