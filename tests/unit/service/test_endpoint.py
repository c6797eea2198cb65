"""What may be an endpoint, and what it is sent."""

from datetime import UTC, datetime, timedelta

import pytest

from callgate.errors import Invalid
from callgate.service.endpoint import (
    Endpoint,
    EndpointState,
    Receiver,
    RecordType,
    is_public,
    read_types,
    read_url,
)

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)


def endpoint(**changed: object) -> Endpoint:
    """An active endpoint that wants everything."""
    words = {
        "id": "ep_1", "url": "https://crm.example.com/hook", "types": (), "allow_private": False, "created_at": NOW,
        "sealed_secrets": (b"sealed",),
    }  # fmt: skip
    return Endpoint(**words | changed)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",  # noqa: S104 - nothing is bound
        "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::",
        "2001:0:5ef5:79fd:0:0:80ff:fffe",
        "", "localhost", "2130706433", "127.1", "0x7f000001",
    ],
)  # fmt: skip
def test_addresses_that_records_are_not_sent_to(address: str) -> None:
    """Our own machine, private and special networks, and all of these inside another form; what is no address neither."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "193.0.6.139", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
)
def test_addresses_of_the_public_internet(address: str) -> None:
    """Also where one is carried inside the other kind."""
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "", "crm.example.com/hook", "ftp://crm.example.com/", "https://", "https:///hook", "https://crm.example.com:0/",
        "https://crm.example.com:99999/", "http://[::1", "https://crm.example.com/a b", "https://crm.example.com/\n",
        "https://crm.example.com/#part", f"https://crm.example.com/{'a' * 2_000}", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_urls_that_nothing_can_be_sent_to(url: str) -> None:
    """Said at once, and not when the first record fails."""
    with pytest.raises(Invalid, match="expected an http or https URL"):
        read_url(url)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    """It would be stored in clear; the signature proves who sends."""
    with pytest.raises(Invalid) as refused:
        read_url("https://me:hunter2@crm.example.com/")
    assert "hunter2" not in str(refused.value)


def test_an_unknown_type_is_answered_with_the_known_ones() -> None:
    """Nobody has to guess names."""
    with pytest.raises(Invalid, match=r"'call\.endet'.*call\.ended"):
        read_types(["call.ended", "call.endet"])
    assert read_types(["call.ended", "call.ended"]) == (RecordType.CALL_ENDED,)


def test_a_disabled_endpoint_wants_nothing() -> None:
    """An active one wants what it named, or everything when it named nothing."""
    assert endpoint().wants(RecordType.CALL_ENDED, "app", "alice")
    assert endpoint(types=(RecordType.CALL_ENDED,)).wants(RecordType.CALL_ENDED, "app", "alice")
    assert not endpoint(state=EndpointState.DISABLED).wants(RecordType.CALL_ENDED, "app", "alice")


def test_the_old_secret_is_good_until_its_time() -> None:
    """To the moment; afterwards the new one signs alone."""
    rotated = Receiver(endpoint(old_secret_until=NOW), ("new", "old"))
    assert rotated.secrets_at(NOW - timedelta(microseconds=1)) == ("new", "old")
    assert rotated.secrets_at(NOW) == ("new",)
    assert "new" not in repr(rotated)
