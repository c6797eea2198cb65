"""What a record is signed with, checked by the vector of the standard and by a library that is not ours."""

import base64
from datetime import UTC, datetime

import pytest
import svix.webhooks
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from callgate.outbox.webhook import PrivateAddress, public_socket, sign
from callgate.service.add_endpoint import new_secret, shown

BODY = b'{"type":"call.ended"}'


def test_signature_is_that_of_the_standard() -> None:
    """Known answer of the reference libraries. Source: standardwebhooks 1.1.0."""
    headers = sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_either_secret_verifies_while_both_are_good() -> None:
    """A receiver may change its secret at any moment of the overlap."""
    new, old, other = new_secret(), new_secret(), new_secret()
    headers = sign("msg_1", datetime.now(UTC), BODY, [new, old])
    for secret in (new, old):
        assert Webhook(secret).verify(BODY, headers) == {"type": "call.ended"}
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, headers)


def test_a_changed_byte_does_not_verify() -> None:
    """The signature is of the very bytes that are sent."""
    secret = new_secret()
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", sign("msg_1", datetime.now(UTC), BODY, [secret]))


def test_a_secret_is_32_random_bytes_behind_its_prefix() -> None:
    """As Standard Webhooks show it; no two are alike."""
    secret = new_secret()
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret != new_secret()


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "2130706433", "localhost"])
def test_no_socket_is_made_for_what_is_not_a_public_address(address: str) -> None:
    """Numbers and names that a system might still take for an address included."""
    with pytest.raises(PrivateAddress):
        public_socket((2, 1, 6, "", (address, 80)))


def test_a_socket_is_made_for_a_public_address() -> None:
    """Making one sends nothing."""
    public_socket((2, 1, 6, "", ("8.8.8.8", 80))).close()


def test_a_pair_of_keys_signs_what_its_public_half_verifies() -> None:
    """`v1a`, ed25519 over the same bytes. Source: Standard Webhooks 1.0.0; checked by a library that is not ours."""
    secret = new_secret("ed25519")
    assert secret.startswith("whsk_")
    public = shown(secret)
    headers = sign("msg_1", datetime.now(UTC), BODY, [secret, new_secret()])
    first, second = headers["webhook-signature"].split()
    assert (first.partition(",")[0], second.partition(",")[0]) == ("v1a", "v1")
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    signed = b".".join((b"msg_1", headers["webhook-timestamp"].encode(), BODY))
    key.verify(base64.b64decode(first.removeprefix("v1a,")), signed)
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(first.removeprefix("v1a,")), signed + b" ")


def test_svix_accepts_our_signature() -> None:
    """The second library that receivers use, with the names of headers that it was made for too."""
    secret = new_secret()
    headers = sign("msg_1", datetime.now(UTC), BODY, [secret])
    svix.webhooks.Webhook(secret).verify(BODY, headers)
    with pytest.raises(svix.webhooks.WebhookVerificationError):
        svix.webhooks.Webhook(secret).verify(BODY + b" ", headers)
