"""All kinds of credentials that are set up, behind one question."""

import asyncio
from collections.abc import Mapping
from typing import Any

from service.access.api_keys import ApiKeys
from service.access.caller import ANONYMOUS, Caller
from service.access.credentials import find_credentials
from service.access.token_keys import FetchedKeys, FileKeys, TokenKeys
from service.access.tokens import Tokens
from service.problems import Unauthenticated
from service.settings import Settings


class Authenticator:
    """Identifies the sender of a request, by ``keys_file`` and the ``jwt_`` settings.

    Raises:
        FileInvalid: the issuer's address is not safe to fetch keys from.
    """

    def __init__(self, settings: Settings) -> None:
        self.is_required = settings.protected
        self._api_keys = ApiKeys(settings.keys_file) if settings.keys_file is not None else None
        self._tokens: Tokens | None = None
        if settings.jwt_issuer is not None and settings.jwt_audience is not None:
            keys: TokenKeys = (
                FetchedKeys(settings.jwt_issuer) if settings.jwt_keys_file is None else FileKeys(settings.jwt_keys_file)
            )
            self._tokens = Tokens(settings.jwt_issuer, settings.jwt_audience, keys)

    def load(self) -> None:
        """Read what is needed to check credentials. Blocks.

        Raises:
            OSError, FileInvalid: it cannot be used.
        """
        if self._api_keys is not None:
            self._api_keys.load()
        if self._tokens is not None:
            self._tokens.load()

    async def identify(self, scope: Mapping[str, Any]) -> Caller:
        """Find the sender of the request in an ASGI scope; ANONYMOUS where no credentials are set up.

        Raises:
            Unauthenticated: no valid credentials.
            Unavailable: tokens cannot be checked just now.
        """
        if not self.is_required:
            return ANONYMOUS
        credentials = find_credentials(scope)
        if credentials.is_key:
            if self._api_keys is None:
                raise Unauthenticated
            return self._api_keys.identify(credentials.text)
        if self._tokens is None:
            raise Unauthenticated
        # In a thread, for an unknown key id has the issuer's keys fetched.
        return await asyncio.to_thread(self._tokens.identify, credentials.text)
