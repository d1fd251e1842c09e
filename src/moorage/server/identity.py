"""The provider of identities that the settings name, wired up."""

from moorage.core.accounts import Admission
from moorage.outbound import OidcSetup, OpenIdProvider
from moorage.server.opening import SetupError
from moorage.server.settings import OidcSettings


def provider_of(settings: OidcSettings | None) -> OpenIdProvider | None:
    """Return whom to ask who somebody is; None when nobody is set up.

    Raises:
        SetupError: the certificates to trust cannot be used.

    """
    if settings is None:
        return None
    secret = settings.client_secret
    setup = OidcSetup(
        issuer=settings.issuer,
        client_id=settings.client_id,
        client_secret=None if secret is None else secret.get_secret_value(),
        title=settings.title,
        scopes=settings.scopes,
        ca_bundle=settings.ca_bundle,
        timeout_s=settings.timeout_s,
    )
    try:
        return OpenIdProvider(setup)
    except ValueError as error:
        raise SetupError(f"oidc.ca_bundle is wrong: {error}") from None


def admission_of(settings: OidcSettings | None) -> Admission | None:
    """Return whom that provider may let in."""
    if settings is None:
        return None
    return Admission(
        workspace=settings.workspace,
        domains=frozenset(one.lower() for one in settings.allowed_domains),
        default_role=settings.default_role,
        role_claim=settings.role_claim,
        roles=settings.roles,
    )
