"""Who takes turns with whom where there are no keys."""

import pytest

from service.access.caller import ANONYMOUS, Caller, sender_of, set_caller


@pytest.mark.parametrize(
    ("client", "sender"),
    [
        (("192.0.2.7", 50_000), "192.0.2.7"),
        (("2001:db8::1", 50_000), "2001:db8::/64"),
        (("2001:db8::ffff:2", 50_001), "2001:db8::/64"),
        (("2001:db8:0:1::1", 50_000), "2001:db8:0:1::/64"),
        (("fe80::1%eth0", 50_000), "fe80::/64"),
        (("testclient", 50_000), "testclient"),
        (None, ANONYMOUS.owner),
    ],
)
def test_a_sender_without_credentials_is_an_address(client, sender) -> None:
    assert sender_of({"client": client}) == sender


def test_a_sender_with_credentials_is_their_owner() -> None:
    scope = {"client": ("192.0.2.7", 50_000)}
    set_caller(scope, Caller("key", "clinic", frozenset()))
    assert sender_of(scope) == "clinic"
