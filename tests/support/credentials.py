"""Keys and tokens for tests, with an issuer of their own."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from service.access.key_file import KeyFile, new_key, read_key_file, write_key_file

ISSUER = "https://issuer.example"
AUDIENCE = "emoserve"


def add_key(path: Path, key_id: str = "clinic", scopes: tuple[str, ...] = ("analyse", "models:read"), **more) -> str:
    """Make a key, store its hash in the file at ``path``, and return the key."""
    key, entry = new_key(key_id, scopes, **more)
    write_key_file(path, KeyFile(keys=(*read_key_file(path).keys, entry)))
    return key


class Issuer:
    """Signs tokens and publishes keys."""

    def __init__(self) -> None:
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())

    def key_set(self) -> dict[str, Any]:
        return {"keys": [self.public("rsa"), self.public("ec")]}

    def public(self, kid: str) -> dict[str, Any]:
        algorithm, private = (RSAAlgorithm, self.rsa) if kid.startswith("rsa") else (ECAlgorithm, self.ec)
        return json.loads(algorithm.to_jwk(private.public_key())) | {"kid": kid, "use": "sig"}

    def token(self, *, algorithm: str = "RS256", kid: str | None = None, key: Any = None, **claims: Any) -> str:
        """A valid token, but for ``claims``; a claim of None is left out."""
        private, usual_kid = (self.rsa, "rsa") if algorithm.startswith("RS") else (self.ec, "ec")
        given = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user-7", "exp": time.time() + 60, "scope": "analyse"} | claims
        payload = {name: value for name, value in given.items() if value is not None}
        return jwt.encode(payload, key or private, algorithm=algorithm, headers={"kid": kid or usual_kid})


def unsigned(claims: dict) -> str:
    """A token that nobody signed."""

    def part(value: dict) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'kid': 'rsa'})}.{part(claims)}."
