"""Applications, deliveries and health in a real browser: every form and button, and what they say of what will not do."""

import asyncio
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect
from site_visit import PATIENCE_MS, Site, Visitor, card

from callgate.emulator import demo
from callgate.protocol import sinch
from callgate.service.signature_fault import SignatureFault

URL = "https://gate.example.com/callbacks/sinch"


@pytest.fixture
def page(visitor: Visitor, site: Site) -> Page:
    visitor.page.goto(f"{site.url}applications")
    return visitor.page


def test_an_application_is_added_and_suspended(page: Page, visitor: Visitor) -> None:
    """A secret that is none is marked, and is not shown again."""
    visitor.is_usable()
    form = card(page, "Add an application")
    form.get_by_label("Application key").fill("second-app")
    form.get_by_label("Application secret").fill("not base64!")
    form.get_by_label("Your own name for it").fill("the second")
    form.get_by_role("button").click()
    expect(form.get_by_role("alert")).to_contain_text("the base64 text that the provider shows")
    expect(form.get_by_label("Application key")).to_have_value("second-app")
    expect(form.get_by_label("Application secret")).to_have_value("")
    visitor.is_usable()
    form.get_by_label("Application secret").fill("c2Vjb25k")
    form.get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("the second")
    page.get_by_role("button", name="Suspend").click()
    expect(page.locator(".said")).to_have_text("The application is suspended.")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".said")).to_have_text("The application is active.")


def test_a_secret_is_rotated_with_the_old_one_beside_it(page: Page, visitor: Visitor) -> None:
    """For as long as was chosen; the one that it has already is refused."""
    page.get_by_role("link", name="demonstration").click()
    secrets = card(page, "Secrets")
    secrets.get_by_label("New secret").fill(demo.SECRET)
    secrets.get_by_role("button").click()
    expect(secrets.get_by_role("alert")).to_contain_text("This is the secret of application")
    secrets.get_by_label("New secret").fill("YW5vdGhlciBvbmU=")
    secrets.get_by_label("The old one stays valid").select_option("168")
    secrets.get_by_role("button").click()
    expect(page.locator(".said")).to_contain_text("It has a new secret.")
    expect(secrets).to_contain_text("old valid until")
    visitor.is_usable()
    secrets.get_by_label("New secret").fill(demo.SECRET)
    secrets.get_by_label("The old one stays valid").select_option("0")
    secrets.get_by_role("button").click()
    expect(secrets).not_to_contain_text("old valid")


def test_settings_and_limits_of_an_application(page: Page, visitor: Visitor) -> None:
    """Each kept, or marked with what would do."""
    page.get_by_role("link", name="demonstration").click()
    settings = card(page, "Settings")
    settings.get_by_label("Locale").fill("Swedish")
    settings.get_by_role("button").click()
    expect(settings.get_by_role("alert")).to_contain_text("such as en-US or sv-SE")
    visitor.is_usable()
    settings.get_by_label("Locale").fill("sv-SE")
    settings.get_by_role("button").click()
    expect(page.locator(".said")).to_contain_text("The settings hold")
    expect(settings.get_by_label("Locale")).to_have_value("sv-SE")
    texts = card(page, "What callers hear when refused")
    texts.get_by_label("Refusal").select_option("insufficient_credit")
    texts.get_by_label("Locale").fill("Swedish")
    texts.get_by_label("Text").fill("Du har {available} kvar.")
    texts.get_by_role("button").click()
    expect(texts.get_by_role("alert")).to_contain_text("such as en-US or sv-SE")
    texts.get_by_label("Locale").fill("sv-SE")
    texts.get_by_role("button").click()
    expect(page.locator(".said")).to_contain_text("Callers hear it")
    expect(texts).to_contain_text("Du har {available} kvar.")
    limits = card(page, "Limits")
    limits.get_by_label("Max seconds").fill("900")
    limits.get_by_role("button").click()
    expect(limits.get_by_label("Max seconds")).to_have_value("900")


def test_the_callback_url_is_set_at_the_platform(page: Page, visitor: Visitor, site: Site) -> None:
    """And then read from it; a platform that is not there is said to be so."""
    page.get_by_role("link", name="demonstration").click()
    page.get_by_role("link", name="Ask the platform").click()
    expect(card(page, "Callback URL")).to_contain_text("no connection", ignore_case=True, timeout=PATIENCE_MS)
    with site.platform_open():
        form = card(page, "Callback URL")
        form.get_by_label("Have them sent to").fill("gate")
        form.get_by_role("button").click()
        expect(form.get_by_role("alert")).to_contain_text("an http or https URL")
        form.get_by_label("Have them sent to").fill(URL)
        form.get_by_role("button").click()
        expect(page.locator(".said")).to_contain_text("The platform sends its callbacks there")
        expect(form.locator("dd").last).to_have_text(URL)
        visitor.is_usable()


def captured(path: str, body: bytes, *, signed_path: str) -> str:
    """A request as a proxy would have written it down."""
    now = datetime.now(UTC)
    headers = sinch.sign("POST", signed_path, body, demo.KEY, demo.SECRET, now)
    head = "\n".join(f"{name}: {value}" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\nhost: gate.example.com\n{head}\n\n{body.decode()}"


def test_the_signature_doctor_says_which_ingredient_differs(page: Page, visitor: Visitor) -> None:
    """Of a path that a proxy changed, of a genuine request, and of what is no request."""
    page.get_by_role("link", name="Signature doctor").click()
    visitor.is_usable()
    area, find = page.get_by_label("Captured request"), page.get_by_role("button", name="Find what differs")
    area.fill("hello")
    find.click()
    expect(page.get_by_role("alert")).to_contain_text("a raw HTTP request")
    expect(area).to_have_value("hello")
    visitor.is_usable()
    body = b'{"event":"ice","callid":"1"}'
    area.fill(captured("/callbacks/sinch", body, signed_path="/api/callbacks/sinch"))
    find.click()
    expect(page.get_by_role("status")).to_contain_text("Path")
    page.get_by_label("Path that is set at the platform").fill("/api/callbacks/sinch")
    find.click()
    expect(page.get_by_role("status")).to_contain_text("Genuine")


def test_a_record_that_was_given_up_is_sent_again(page: Page, visitor: Visitor, site: Site) -> None:
    """One by its button, all since a time by the form; endpoints are stopped and started."""
    endpoint = site.add_endpoint("http://127.0.0.1:9/hook")
    page.goto(f"{site.url}deliveries")
    visitor.is_usable()
    site.place("user:alice").result(timeout=10)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".said")).to_contain_text("is sent nothing more")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".said")).to_contain_text("is sent records again")
    page.get_by_role("link", name="call.ended").first.click()
    expect(page.locator("pre")).to_contain_text('"type": "call.ended"')
    visitor.is_usable()
    page.get_by_role("button", name="Send again").click()
    expect(page.locator(".said")).to_have_text("It is on the way again.")
    expect(page.locator(".facts")).to_contain_text(endpoint)
    page.get_by_role("link", name="All deliveries").click()
    form = card(page, "Recover")
    form.get_by_role("textbox").fill("long ago")
    form.get_by_role("button").click()
    expect(form.get_by_role("alert")).to_contain_text("how long ago, such as 2h or 7d")
    visitor.is_usable()
    form.get_by_role("textbox").fill("7d")
    form.get_by_role("button").click()
    expect(page.locator(".said")).to_contain_text("on the way again")
    page.get_by_label("State").select_option("parked")
    page.get_by_role("button", name="Show").click()
    assert page.url.endswith("deliveries?state=parked")


def test_a_number_is_rented_out_and_taken_back(page: Page, visitor: Visitor, site: Site) -> None:
    """What will not do is marked; a call that reaches the number is led on, and found by a part of it."""
    page.goto(f"{site.url}numbers")
    visitor.is_usable()
    form = card(page, "Rent out a number")
    form.get_by_label("Number", exact=True).fill("+46846500400")
    form.get_by_label("Account").fill("alice")
    form.get_by_label("Leads to").fill("bob")
    form.get_by_role("button").click()
    expect(form.get_by_role("alert")).to_contain_text("user:ID, number:+E164")
    expect(form.get_by_label("Number", exact=True)).to_have_value("+46846500400")
    visitor.is_usable()
    form.get_by_label("Leads to").fill("user:bob")
    form.get_by_role("button").click()
    expect(page.locator(".said")).to_have_text("Calls to +46846500400 go there from now on.")
    page.get_by_label("Part of a number or route").fill("8 465 00")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_contain_text("user:bob")
    visitor.is_usable()
    page.get_by_role("button", name="Take +46846500400 back").click()
    expect(page.locator(".said")).to_have_text("Calls to +46846500400 are refused from now on.")
    expect(page.locator("tbody tr")).to_have_count(0)


def test_endpoints_and_failed_signatures_have_lists(page: Page, visitor: Visitor, site: Site) -> None:
    """An endpoint is paused on its list, and found by how it is; what was not genuine is found by what differed."""
    site.add_endpoint("http://127.0.0.1:9/other")
    page.get_by_role("navigation", name="Dashboard").get_by_role("link", name="Endpoints").click()
    visitor.is_usable()
    page.get_by_role("row", name="127.0.0.1:9/other").get_by_role("button", name="Pause").click()
    expect(page.locator(".said")).to_contain_text("is sent nothing more")
    page.get_by_label("State").select_option("disabled")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    fault = SignatureFault(
        at=datetime.now(UTC), provider="sinch", application=demo.KEY, is_known=True, path="/callbacks/sinch", ingredient="body",
        explanation="It was changed on its way.",
    )  # fmt: skip
    asyncio.run_coroutine_threadsafe(site.store.keep_faults([fault], 10), site.loop).result(timeout=10)
    page.goto(f"{site.url}applications")
    page.get_by_role("link", name="All of them").click()
    expect(page.locator("tbody tr")).to_contain_text("It was changed on its way.")
    visitor.is_usable()
    page.get_by_label("Whose key").select_option("other")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("None is like that.")).to_be_visible()


def test_health_says_what_is_to_be_done(page: Page, visitor: Visitor, site: Site) -> None:
    """All is well but for what was refused."""
    page.goto(f"{site.url}health")
    expect(page.locator(".findings")).to_contain_text("a commit takes")
    visitor.is_usable()


def test_changes_are_read_in_the_audit_log(page: Page, visitor: Visitor, site: Site) -> None:
    """Who made them is a filter, and no secret is among them."""
    page.goto(f"{site.url}audit")
    visitor.is_usable()
    page.get_by_label("Who").fill("token:dev")
    page.get_by_label("Kind").fill("application")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody")).to_contain_text("add application")
    expect(page.locator("tbody")).to_contain_text("by dashboard")
    expect(page.locator("tbody")).not_to_contain_text("c2Vjb25k")


def test_figures_are_charts_and_tables(page: Page, visitor: Visitor, site: Site) -> None:
    """Counted when somebody looks; the page fills by itself, and says in a sentence what each chart shows."""
    site.place("user:alice").result(timeout=10)
    page.goto(f"{site.url}figures")
    expect(page.get_by_role("img", name="Calls.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".warned")).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.get_by_role("img", name="Revenue, cost and margin.")).to_be_visible()
    page.get_by_text("Figures", exact=True).last.click()
    visitor.is_usable()
    page.get_by_role("link", name="a week").click()
    expect(page.get_by_role("link", name="a week")).to_have_attribute("aria-current", "true")
    assert page.request.get(f"{site.url}figures.json?span=7d").json()["items"][-1]["connected"] >= 1


def test_the_pages_are_usable_in_the_dark_and_on_a_phone(page: Page, visitor: Visitor, site: Site) -> None:
    """Nothing scrolls sideways, and letters stand out from their ground."""
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 740})
    for path in (
        "applications",
        f"applications/{demo.KEY}",
        "applications/doctor",
        "applications/faults",
        "numbers",
        "deliveries",
        "endpoints",
        "health",
        "audit",
        "figures",
        "start",
    ):
        page.goto(site.url + path)
        visitor.is_usable()
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path
