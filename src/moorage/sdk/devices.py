"""``client.devices``: the record of a device, and what it told."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from moorage.sdk.calls import Call, D, Paged, Resource
from moorage.sdk.models import (
    Attempt,
    Bucket,
    Device,
    DeviceKey,
    DeviceMade,
    Event,
    InstallToken,
    LogLine,
    OfflinePayload,
    ReportRecord,
    Sample,
    Service,
)
from moorage.sdk.requests import (
    LARGEST_PAGE,
    Listing,
    Request,
    body_of,
    change,
    get,
    path_of,
    post,
    query_of,
    remove,
)


class Keep(Enum):
    """Stands for "leave it as it is" where None means "take it away"."""

    KEEP = "keep"


KEEP = Keep.KEEP


class Devices(Resource[D]):
    """Devices. Every method may raise ApiError's subclasses; those worth catching are named."""

    @Paged
    def iterate(  # noqa: PLR0913 - the filters of the list
        self,
        *,
        status: Sequence[str] = (),
        type: str | None = None,  # noqa: A002 - named as the API names it
        tag: Sequence[str] = (),
        q: str | None = None,
        live_mode: bool | None = None,
        sort: str | None = None,
        include: str | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> Listing[Device]:
        """List devices, newest first unless sorted otherwise.

        ``status`` is any of online, late, offline, never_seen; ``tag`` must all be there; ``q`` is
        looked for in name, id, hostname, external id and reference; ``sort`` is name, created_at or
        last_heartbeat, with ``-`` for descending; ``include="counts"`` puts totals by status into
        the pages' ``rest``.
        """
        query = query_of(
            status=status, type=type, tag=tag, q=q, live_mode=live_mode, sort=sort, include=include
        )
        return Listing(Device, "/v1/devices", query, page_size)

    @Call
    def get(self, device_id: str) -> Request[Device]:
        """Return one device. Raises NotFound."""
        return get(Device, path_of("devices", device_id))

    @Call
    def create(
        self,
        name: str,
        *,
        type: str | None = None,  # noqa: A002 - named as the API names it
        tags: Sequence[str] = (),
        reference: str | None = None,
    ) -> Request[DeviceMade]:
        """Make a device; the result holds the line to paste on it, once.

        Raises Conflict (``reference_taken``) when another device has the reference, Invalid.
        """
        body = body_of(name=name, type=type, tags=list(tags), reference=reference)
        return post(DeviceMade, "/v1/devices", body)

    @Call
    def update(  # noqa: PLR0913 - what of a device can be changed
        self,
        device_id: str,
        *,
        name: str | None = None,
        type: str | None = None,  # noqa: A002 - named as the API names it
        tags: Sequence[str] | None = None,
        reference: str | Keep | None = KEEP,
        approval: str | None = None,
    ) -> Request[Device]:
        """Change what is given; a reference of None is taken away.

        ``approval`` is pending, approved or rejected: without it the device's key opens nothing,
        until it is approved again.

        Raises NotFound, Conflict (``reference_taken``), Invalid.
        """
        body = body_of(
            name=name,
            type=type,
            tags=None if tags is None else list(tags),
            approval=approval,
        )
        if reference is not KEEP:
            body["reference"] = reference
        return change(Device, "PATCH", path_of("devices", device_id), body)

    @Call
    def delete(self, device_id: str) -> Request[None]:
        """End a device: its keys stop at once, its next report is answered 410. Raises NotFound."""
        return remove(path_of("devices", device_id))

    @Call
    def release(self, device_id: str) -> Request[Device]:
        """Let the device's hardware enrol anew into this record, once, whatever a token's policy.

        Raises NotFound, Conflict (``device_not_approved``, ``no_external_id``).
        """
        return post(Device, path_of("devices", device_id, "release"))

    @Call
    def install(self, device_id: str, *, expires_in_s: int | None = None) -> Request[InstallToken]:
        """Make a fresh install token (60 s to 30 days), also to move the record to new hardware."""
        path = path_of("devices", device_id, "install")
        return post(InstallToken, path, body_of(expires_in_s=expires_in_s))

    @Call
    def provisioning(
        self, device_id: str, *, expires_in_s: int | None = None
    ) -> Request[OfflinePayload]:
        """Make a fresh payload for a device without a network; it holds a secret. NotFound."""
        path = path_of("devices", device_id, "provisioning")
        return post(OfflinePayload, path, body_of(expires_in_s=expires_in_s))

    @Call
    def rotate_key(self, device_id: str) -> Request[DeviceKey]:
        """Replace the device's key at once; the old one is refused from then on. NotFound."""
        return post(DeviceKey, path_of("devices", device_id, "keys", "rotate"))

    @Paged
    def logs(  # noqa: PLR0913 - the filters of the list
        self,
        device_id: str,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        service: Sequence[str] = (),
        severity: Sequence[str] = (),
        page_size: int = LARGEST_PAGE,
    ) -> Listing[LogLine]:
        """List log lines, newest first, from ``start_time`` until before ``end_time``."""
        query = query_of(
            start_time=start_time,
            end_time=end_time,
            service=",".join(service) or None,
            severity=",".join(severity) or None,
        )
        return Listing(LogLine, path_of("devices", device_id, "logs"), query, page_size)

    @Paged
    def events(  # noqa: PLR0913 - the filters of the list
        self,
        device_id: str,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        event: str | None = None,
        entity_type: str | None = None,
        entity_id: str | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> Listing[Event]:
        """List events, newest first."""
        query = query_of(
            start_time=start_time,
            end_time=end_time,
            event=event,
            entity_type=entity_type,
            entity_id=entity_id,
        )
        return Listing(Event, path_of("devices", device_id, "events"), query, page_size)

    @Paged
    def telemetry(
        self,
        device_id: str,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> Listing[Sample]:
        """List samples, newest first."""
        query = query_of(start_time=start_time, end_time=end_time)
        return Listing(Sample, path_of("devices", device_id, "telemetry"), query, page_size)

    @Paged
    def telemetry_buckets(
        self,
        device_id: str,
        *,
        bucket_s: int,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> Listing[Bucket]:
        """List means over spans of ``bucket_s`` seconds, oldest first; the last hour by default."""
        query = query_of(bucket_s=bucket_s, start_time=start_time, end_time=end_time)
        return Listing(Bucket, path_of("devices", device_id, "telemetry"), query)

    @Paged
    def services(self, device_id: str) -> Listing[Service]:
        """List the services a device last reported."""
        return Listing(Service, path_of("devices", device_id, "services"))

    @Paged
    def attempts(self, device_id: str) -> Listing[Attempt]:
        """List what was tried with its install tokens in the last 24 hours, newest first."""
        return Listing(Attempt, path_of("devices", device_id, "attempts"))

    @Paged
    def reports(self, device_id: str, *, page_size: int = LARGEST_PAGE) -> Listing[ReportRecord]:
        """List what was received, by epoch and sequence; ``ledger.read`` takes the pages."""
        return Listing(ReportRecord, path_of("devices", device_id, "reports"), (), page_size)
