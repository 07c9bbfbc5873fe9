"""Checking a JSON Web Token: asymmetric signatures only, issuer, audience and expiry required."""

import hashlib
import re
from typing import Any, Final

from service.access.caller import SCOPES, Caller
from service.access.token_keys import Jwk, TokenKeys
from service.problems import Unauthenticated

RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512")
EC_ALGORITHMS: Final = ("ES256", "ES384", "ES512")
LEEWAY_S: Final = 30.0
"""Tolerance for the issuer's clock, seconds."""

_PLAIN_SUBJECT = re.compile(r"[A-Za-z0-9._:@|+-]{1,128}")


class Tokens:
    """Tokens whose ``iss`` and ``aud`` are ``issuer`` and ``audience``, signed with one of the issuer's ``keys``."""

    def __init__(self, issuer: str, audience: str, keys: TokenKeys) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys

    def load(self) -> None:
        """Get the keys.

        Raises:
            OSError, FileInvalid: a file of keys that cannot be used.
        """
        import jwt  # noqa: F401 - loads the cryptography now, not with the first request

        self._keys.load()

    def identify(self, token: str) -> Caller:
        """Find the owner of a token. Blocks while keys are fetched.

        Raises:
            Unauthenticated: it is not valid; why is not told.
            Unavailable: there are no keys to check it with.
        """
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm not in RSA_ALGORITHMS + EC_ALGORITHMS:
                raise Unauthenticated
            key = self._keys.find(header.get("kid"))
            if key is None:
                raise Unauthenticated
            claims = jwt.decode(
                token,
                _bound_key(key, algorithm),
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Unauthenticated from None
        return Caller(f"jwt:{_subject(claims)}", f"jwt:{_subject(claims)}", frozenset(scopes_of(claims)))


def _bound_key(key: Jwk, algorithm: str) -> Any:  # noqa: ANN401 - jwt.PyJWK, which is imported late
    """``key`` for the one algorithm that it may be used with: its own, or where it names none the token's.

    Raises:
        Unauthenticated: the token's algorithm is not one for keys of this type.
    """
    import jwt

    fitting = RSA_ALGORITHMS if key["kty"] == "RSA" else EC_ALGORITHMS
    if algorithm not in fitting or key.get("alg", algorithm) != algorithm:
        raise Unauthenticated
    return jwt.PyJWK(dict(key), algorithm)


def scopes_of(claims: dict[str, Any]) -> set[str]:
    """Our scopes among those of a token: ``scope`` as words in a string, ``scp`` as such or as a list."""
    found: set[str] = set()
    for name in ("scope", "scp"):
        value = claims.get(name, ())
        words = value.split() if isinstance(value, str) else value if isinstance(value, list) else ()
        found |= {word for word in words if word in SCOPES}
    return found


def _subject(claims: dict[str, Any]) -> str:
    """The token's subject for the audit log; a strange one is hashed, so that it cannot forge a line."""
    subject = str(claims["sub"])
    if _PLAIN_SUBJECT.fullmatch(subject):
        return subject
    return "sha256:" + hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:32]
