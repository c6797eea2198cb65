"""Accounts in a real browser: every form, what it does, and what it says of what will not do."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from site_visit import Site, Visitor, card


@pytest.fixture
def page(visitor: Visitor, site: Site) -> Page:
    visitor.page.goto(f"{site.url}accounts")
    return visitor.page


def available(page: Page) -> Locator:
    return page.locator(".counters .first")


def open_account(page: Page, name: str) -> None:
    """A new one, by the form."""
    page.get_by_role("link", name="New account").click()
    page.get_by_label("Account id").fill(name)
    page.get_by_role("button", name="Open account").click()
    expect(page.get_by_role("status")).to_have_text(f"Account {name} is open.")


def test_accounts_are_listed_and_found(page: Page, visitor: Visitor) -> None:
    """By the beginning of their ids; the filter stands in the URL, and other forms of the list are a link away."""
    expect(page.locator("tbody tr")).to_have_count(5)
    visitor.is_usable()
    page.get_by_label("Id begins with").fill("ca")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert page.url.endswith("accounts?find=ca")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert text.startswith("id,application,currency,status,posted") and text.splitlines()[1].startswith("carol,")
    items = page.request.get(f"{page.url.partition('?')[0]}.json?find=ca").json()["items"]
    assert [item["id"] for item in items] == ["carol"]
    page.get_by_label("Id begins with").fill("zz")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("No account's id begins with “zz”.")


def test_a_top_up_adds_money_once(page: Page, visitor: Visitor) -> None:
    """Sent twice, as by a double click or the back button, it moves nothing more."""
    page.get_by_role("link", name="alice").click()
    expect(available(page)).to_contain_text("500.00")
    visitor.is_usable()
    form = card(page, "Top up")
    form.get_by_label("Amount").fill("25")
    form.get_by_label("Reason").fill("invoice 17")
    reference = form.get_by_label("Reference").input_value()
    form.get_by_role("button", name="Add money").click()
    expect(page.get_by_role("status")).to_have_text("25 was added. 525.00 USD is available now.")
    expect(card(page, "Statement")).to_contain_text("invoice 17 by web:dev")
    form.get_by_label("Amount").fill("25")
    form.get_by_label("Reference").fill(reference)
    form.get_by_role("button", name="Add money").click()
    expect(page.get_by_role("status")).to_contain_text("nothing moved. 525.00 USD")
    page.reload()
    expect(page.get_by_role("status")).to_have_count(0)


def test_an_amount_that_is_none_is_marked_and_stays(page: Page, visitor: Visitor) -> None:
    """The sentence says what would do, the focus is in the field, and nothing has moved."""
    page.get_by_role("link", name="bob").click()
    form = card(page, "Top up")
    form.get_by_label("Amount").fill("12,50")
    form.get_by_label("Reason").fill("paid in cash")
    form.get_by_role("button", name="Add money").click()
    expect(form.get_by_role("alert")).to_have_text("'12,50' will not do. What would: a decimal such as 25.00.")
    expect(form.get_by_label("Amount")).to_be_focused()
    expect(form.get_by_label("Amount")).to_have_value("12,50")
    expect(form.get_by_label("Amount")).to_have_attribute("aria-invalid", "true")
    expect(form.get_by_label("Reason")).to_have_value("paid in cash")
    expect(available(page)).to_contain_text("200.00")
    visitor.is_usable()


def test_an_adjustment_takes_what_there_is_and_says_why(page: Page) -> None:
    """More than there is is refused with the amount that would be possible."""
    open_account(page, "adjusted")
    top_up = card(page, "Top up")
    top_up.get_by_label("Amount").fill("2.00")
    top_up.get_by_role("button").click()
    form = card(page, "Adjust")
    form.get_by_label("Amount").fill("-3")
    form.get_by_label("Why").fill("a mistake")
    form.get_by_role("button").click()
    expect(form.get_by_role("alert")).to_contain_text("at most 2.00 USD is possible")
    form.get_by_label("Amount").fill("-0.5")
    form.get_by_label("Why").fill("")
    form.get_by_role("button").click()
    expect(form.get_by_role("alert")).to_contain_text("a reason of 1 to 500 printable characters")
    form.get_by_label("Why").fill("a mistake of the till")
    form.get_by_role("button").click()
    expect(available(page)).to_contain_text("1.50")
    expect(card(page, "Statement")).to_contain_text("a mistake of the till")


def test_a_suspended_account_is_resumed_closed_and_opened_again(page: Page) -> None:
    """Each with the button that stands there then."""
    open_account(page, "swung")
    heading = page.get_by_role("heading", level=1)
    for button, status in (
        ("Suspend", "suspended"),
        ("Resume", "active"),
        ("Suspend", "suspended"),
        ("Close", "closed"),
        ("Open again", "active"),
    ):
        page.get_by_role("button", name=button).click()
        expect(heading).to_have_text(re.compile(status))
        expect(page.get_by_role("status")).to_have_text(f"Account swung is {status}.")


def test_settings_and_limits_are_kept_or_marked(page: Page) -> None:
    """An empty limit is lifted."""
    open_account(page, "limited")
    limits = card(page, "Limits")
    limits.get_by_label("Max seconds").fill("soon")
    limits.get_by_role("button").click()
    expect(limits.get_by_role("alert")).to_contain_text("whole seconds from 1 to 14400")
    expect(limits.get_by_label("Max seconds")).to_have_value("soon")
    limits.get_by_label("Max seconds").fill("90")
    limits.get_by_role("button").click()
    expect(limits.get_by_label("Max seconds")).to_have_value("90")
    settings = card(page, "Settings")
    settings.get_by_label("Credit limit").fill("-1")
    settings.get_by_role("button").click()
    expect(settings.get_by_role("alert")).to_contain_text("0 or more")
    settings.get_by_label("Credit limit").fill("10")
    settings.get_by_label("Elastic holds").select_option("on")
    settings.get_by_role("button").click()
    expect(available(page)).to_contain_text("10.00")
    expect(settings.get_by_label("Elastic holds")).to_have_value("on")


def test_an_account_is_opened_or_its_form_says_what_is_wrong(page: Page, visitor: Visitor) -> None:
    """With all that was typed still there."""
    page.get_by_role("link", name="New account").click()
    visitor.is_usable()
    page.get_by_label("Account id").fill("two words")
    page.get_by_label("Currency").select_option("JPY")
    page.get_by_label("Who calls on it").fill("user:two, number:+46700000002")
    page.get_by_role("button", name="Open account").click()
    expect(page.get_by_role("alert")).to_contain_text("1 to 64 of letters, digits")
    expect(page.get_by_label("Currency")).to_have_value("JPY")
    visitor.is_usable()
    page.get_by_label("Account id").fill("tokyo")
    page.get_by_role("button", name="Open account").click()
    expect(page.get_by_role("alert")).to_contain_text("priced in USD")
    expect(page.get_by_label("Rate deck")).to_be_focused()
    page.get_by_label("Currency").select_option("USD")
    page.get_by_role("button", name="Open account").click()
    expect(available(page)).to_have_text(re.compile(r"Available\s*0.00\s+USD"))
    expect(card(page, "Settings")).to_contain_text("number:+46700000002")


def test_the_pages_are_usable_in_the_dark_and_on_a_phone(page: Page, visitor: Visitor, site: Site) -> None:
    """Nothing scrolls sideways, and letters stand out from their ground."""
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("", "accounts", "accounts/alice", "accounts/new", "accounts/alice/statement", "calls"):
        page.goto(site.url + path)
        visitor.is_usable()
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})
