"""Every connector against a server that plays its CRM: the cases that all must pass."""

import asyncio

import pytest
from fake_crm import FakeCrm
from fake_hubspot import FakeHubSpot, FakeHubSpotWithOAuth
from fake_pipedrive import FakePipedrive
from fake_salesforce import FakeSalesforce
from fake_tryton import FakeTryton
from fake_zendesk import FakeZendesk

from callgate.outbox.contract import CASES, Case

PLAYED = (FakeHubSpot, FakeHubSpotWithOAuth, FakeSalesforce, FakePipedrive, FakeZendesk, FakeTryton)


@pytest.mark.parametrize("played", PLAYED, ids=lambda each: each.__name__.removeprefix("Fake"))
@pytest.mark.parametrize("case", CASES, ids=lambda each: each.__name__)
def test_contract(case: Case, played: type[FakeCrm]) -> None:
    """What `callgate.outbox.contract` asks of every connector."""
    asyncio.run(case(played()))
