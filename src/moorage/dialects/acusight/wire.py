"""Shapes of the Acusight API, named as it spells them, and how ours become theirs."""

import uuid
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from moorage.core.devices import Approval, Device
from moorage.core.environments import Environment
from moorage.core.errors import DomainError, Kind, invalid
from moorage.core.provisioning import MadeToken, Policy, ProvisioningToken
from moorage.core.workspaces import Workspace
from moorage.kit.clock import rfc3339
from moorage.kit.text import is_plain_text

T = TypeVar("T")

# Names of workspaces are ours; that API has UUIDs. The same id always gives the same one.
_ORGANIZATIONS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:moorage:workspace")
_FACT = 128


def _plain(text: str) -> str:
    if not is_plain_text(text):
        raise ValueError("the text holds a NUL or half a character")
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("only printable characters are allowed here")
    return text


Text = Annotated[str, AfterValidator(_plain)]
Fact = Annotated[str, AfterValidator(_printable), Field(max_length=_FACT)]
Percent = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]


class Body(BaseModel):
    """A body: types as written, unknown fields ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class DeviceInfoIn(Body):
    """What a device tells of itself when it provisions."""

    device_id: Annotated[str, Field(min_length=1, max_length=128)]
    name: Annotated[Text, Field(min_length=1, max_length=256)] | None = None
    hardware_id: Fact | None = None
    mac_address: Fact | None = None
    ip_address: Fact | None = None
    agent_version: Fact | None = None


class ProvisionIn(Body):
    """A token, and the device that comes with it."""

    token: Annotated[str, Field(min_length=1, max_length=256)]
    device_info: DeviceInfoIn


class ProvisionedOut(BaseModel):
    """What a device gets to know; ``api_key`` is shown once."""

    device_id: str
    endpoint_id: str
    api_key: str
    api_endpoint: str
    edge_key: str | None = None
    portainer_endpoint_id: int | None = None


class TokenIn(Body):
    """A token to make. ``expires_in_days`` null: never; ``single_use`` is ``max_uses`` 1."""

    name: Text
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = 30
    single_use: bool = False
    max_uses: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    policy: Annotated[Policy, Field(strict=False)] = Policy.REJECT
    tags: Annotated[list[Text], Field(max_length=1000)] = []
    device_type: Text | None = None


class TokenOut(BaseModel):
    """A token, never its text."""

    id: str
    name: str
    single_use: bool
    max_uses: int | None
    policy: str
    tags: list[str]
    device_type: str | None
    use_count: int
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None

    @classmethod
    def of(cls, token: ProvisioningToken) -> "TokenOut":
        """Render."""
        return cls(
            id=token.id,
            name=token.name,
            single_use=token.max_uses == 1,
            max_uses=token.max_uses,
            policy=token.policy,
            tags=list(token.tags),
            device_type=token.device_type,
            use_count=token.use_count,
            created_at=rfc3339(token.created_at),
            expires_at=_time(token.expires_at),
            last_used_at=_time(token.last_used_at),
            revoked_at=_time(token.revoked_at),
        )


class TokenMadeOut(TokenOut):
    """A token just made: its text and the line to paste, both shown once."""

    token: str
    setup_command: str

    @classmethod
    def made(cls, made: MadeToken, setup_command: str) -> "TokenMadeOut":
        """Render."""
        shown = TokenOut.of(made.token).model_dump()
        return cls(**shown, token=made.text, setup_command=setup_command)


class RevokedOut(BaseModel):
    """A token that was ended."""

    id: str
    revoked_at: str | None


class SelfOut(BaseModel):
    """A device, as it is told of itself."""

    device_id: str
    endpoint_id: str
    organization_id: str
    status: Approval
    name: str

    @classmethod
    def of(cls, device: Device) -> "SelfOut":
        """Render."""
        return cls(
            device_id=shown_id(device),
            endpoint_id=shown_id(device),
            organization_id=organization_id(device.workspace_id),
            status=device.approval,
            name=device.name,
        )


class MetricsIn(Body):
    """Measures of a check-in: percentages, degrees Celsius, seconds of uptime."""

    cpu_usage: Percent | None = None
    memory_usage: Percent | None = None
    disk_usage: Percent | None = None
    temperature: Percent | None = None
    uptime: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)] | None = None


class CheckinIn(Body):
    """A check-in."""

    status: Literal["healthy", "degraded", "error"] | None = None
    metrics: MetricsIn | None = None


class AgentCheckinIn(Body):
    """A check-in of that vendor's agent."""

    device_id: Annotated[str, Field(min_length=1, max_length=128)]
    ip_address: Fact | None = None
    status: Fact | None = None


class ActionOut(BaseModel):
    """Something a device is to do. There is one: join its environment, told once."""

    type: Literal["portainer_join"] = "portainer_join"
    edge_key: str


class ActionsOut(BaseModel):
    """What a device that checked in is to do."""

    actions: list[ActionOut]


class AgentActionsOut(BaseModel):
    """The same, without an envelope."""

    success: Literal[True] = True
    pending_actions: list[ActionOut]


class DeviceOut(BaseModel):
    """A device, as its owner sees it.

    ``status`` is the owner's word, ``connection`` whether it is there; ``portainer`` is where its
    environment stands, null when it has none.
    """

    id: str
    device_id: str
    endpoint_id: str
    organization_id: str
    live_mode: bool
    name: str
    status: Approval
    connection: str
    health: str | None
    device_type: str
    tags: list[str]
    reference: str | None
    hardware_id: str | None
    mac_address: str | None
    ip_address: str | None
    agent_version: str | None
    created_at: str
    last_seen_at: str | None
    clone_suspected_at: str | None
    released_at: str | None
    portainer: str | None
    portainer_endpoint_id: int | None
    portainer_error: str | None

    @classmethod
    def of(cls, device: Device, environment: Environment | None) -> "DeviceOut":
        """Render."""

        def fact(name: str) -> str | None:
            value = device.facts.get(name)
            return None if value is None else str(value)

        return cls(
            id=device.id,
            device_id=shown_id(device),
            endpoint_id=shown_id(device),
            organization_id=organization_id(device.workspace_id),
            live_mode=device.live,
            name=device.name,
            status=device.approval,
            connection=device.presence.status,
            health=fact("health"),
            device_type=device.type,
            tags=list(device.tags),
            reference=device.reference,
            hardware_id=fact("hardware_id"),
            mac_address=fact("mac_address"),
            ip_address=fact("ip_address"),
            agent_version=fact("agent_version"),
            created_at=rfc3339(device.created_at),
            last_seen_at=_time(device.last_seen_at),
            clone_suspected_at=_time(device.clone_suspected_at),
            released_at=_time(device.released_at),
            portainer=None if environment is None else environment.state,
            portainer_endpoint_id=None if environment is None else environment.endpoint_id,
            portainer_error=None if environment is None else environment.error,
        )


class DevicePatchIn(Body):
    """What to change of a device; an absent field stays."""

    name: Text | None = None
    status: Annotated[Approval | None, Field(strict=False)] = None


class DeletedOut(BaseModel):
    """A device that is gone."""

    device_id: str
    deleted: Literal[True] = True


class OrganizationIn(Body):
    """What to change of an organization. A slug may be named, but not changed."""

    name: Text | None = None
    slug: str | None = None


class OrganizationOut(BaseModel):
    """A workspace."""

    id: str
    name: str
    slug: str

    @classmethod
    def of(cls, workspace: Workspace) -> "OrganizationOut":
        """Render."""
        return cls(id=organization_id(workspace.id), name=workspace.name, slug=workspace.slug)


class Meta(BaseModel):
    """Which part of a list this is: ``count`` items from ``offset`` on, of ``total``."""

    count: int
    limit: int
    offset: int
    total: int


class Answer(BaseModel, Generic[T]):
    """The envelope of one thing."""

    success: Literal[True] = True
    data: T


class ListAnswer(BaseModel, Generic[T]):
    """The envelope of a list."""

    success: Literal[True] = True
    data: list[T]
    meta: Meta


class ErrorOut(BaseModel):
    """What went wrong; ``details`` says where."""

    code: str
    message: str
    details: str


class Refusal(BaseModel):
    """The envelope of a refusal."""

    success: Literal[False] = False
    error: ErrorOut


def shown_id(device: Device) -> str:
    """Return what that API calls the device: the id it brought along, or ours."""
    return device.external_id or device.id


def organization_id(workspace_id: str) -> str:
    """Return the UUID a workspace has in that API, made of its id."""
    return str(uuid.uuid5(_ORGANIZATIONS, workspace_id))


def uuid_of(text: str) -> str:
    """Return a token's id in its one spelling. Raises DomainError ``invalid`` for no UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise invalid("/id", "a token's id is a UUID") from None


def paged(limit: int, offset: int, count: int, total: int) -> Meta:
    """Say which part of a list this is."""
    return Meta(count=count, limit=limit, offset=offset, total=total)


def revoked_already() -> DomainError:
    """Refuse to revoke a token twice."""
    return DomainError(Kind.INVALID, "token_revoked", "this token was revoked before")


def facts_of(info: DeviceInfoIn) -> dict[str, Any]:
    """Return what a device told of itself, as facts."""
    return info.model_dump(exclude_none=True, exclude={"device_id", "name"})


def measures_of(metrics: MetricsIn) -> dict[str, float]:
    """Return the measures of a check-in by their names in telemetry."""
    found = {
        "cpu_percent": metrics.cpu_usage,
        "memory_percent": metrics.memory_usage,
        "disk_percent": metrics.disk_usage,
        "temperature_c": metrics.temperature,
    }
    return {name: value for name, value in found.items() if value is not None}


def _time(at: Any) -> str | None:
    return None if at is None else rfc3339(at)
