"""Trying before it counts, in a real browser: a carrier's deck that leaves things open, and a backtest of rules and prices."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from site_visit import Site, Visitor, card

CARRIER = """Wholesale rates, valid until further notice

Dst Code;Where to;New Rate (USD);Old;Effective Date;Billing Increment
46 70,72;Sweden mobile;0,0500;0,02;23/11/2020;1/60
47;Norway;0,0300;0,03;23/11/2020;60/60
"""

NO_SWEDEN = '[[rule]]\nname = "no-sweden"\ncondition = \'country == "SE"\'\neffect = "refuse"\n'


@pytest.fixture
def page(visitor: Visitor, site: Site) -> Page:
    if visitor.page.url == site.url:
        for _ in range(2):
            site.place("user:alice").result(timeout=10)
    return visitor.page


def test_rules_are_tried_on_past_calls(page: Page, visitor: Visitor, site: Site) -> None:
    """How many decisions change, which, how much money; what cannot be read is said by line, and nothing is in force."""
    page.goto(f"{site.url}rules")
    page.get_by_role("link", name="Backtest").click()
    visitor.is_usable()
    judge = page.get_by_role("button", name="Judge past calls again")
    judge.click()
    expect(page.get_by_role("alert")).to_contain_text("rules, rows of a deck, or numbers of a list")
    page.get_by_label("Try these rules").check()
    document = page.get_by_label("Rules in TOML")
    document.fill(NO_SWEDEN.replace("country", "land"))
    judge.click()
    expect(page.locator(".faults")).to_contain_text("line 3")
    expect(document).to_have_value(NO_SWEDEN.replace("country", "land"))
    document.fill(NO_SWEDEN)
    page.get_by_label("Calls since").fill("yesterday")
    judge.click()
    expect(page.get_by_role("alert")).to_contain_text("how long ago, such as 2h or 7d")
    expect(page.get_by_label("Calls since")).to_be_focused()
    visitor.is_usable()
    page.get_by_label("Calls since").fill("24h")
    judge.click()
    result = page.locator("#result")
    expect(result).to_contain_text("2 judged again")
    expect(result).to_contain_text("-0.08 USD")
    expect(result.locator("tbody tr")).to_contain_text("no-sweden")
    expect(card(page, "Decisions that change").locator("tbody tr")).to_have_count(2)
    expect(card(page, "Decisions that change").locator("tbody tr").first).to_contain_text("refused: no-sweden")
    visitor.is_usable()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert Path(download.value.path()).read_text(encoding="utf-8").count("no-sweden") == 2
    page.goto(f"{site.url}rules")
    expect(page.locator("main")).to_contain_text("No rule of your own")


def test_a_list_is_tried_on_past_calls(page: Page, site: Site) -> None:
    """Without being put in force."""
    page.goto(f"{site.url}rules/backtest")
    page.get_by_text("A list of numbers").click()
    page.get_by_label("Numbers and prefixes on it").fill("+4670*\nsoon")
    page.get_by_role("button", name="Judge past calls again").click()
    expect(page.get_by_role("alert")).to_contain_text("soon")
    page.get_by_label("Numbers and prefixes on it").fill("+4670*")
    page.get_by_role("button", name="Judge past calls again").click()
    expect(card(page, "Decisions that change").locator("tbody tr").first).to_contain_text("destination blocked")


def test_what_shadow_rules_would_do_is_shown_before_they_are_switched_on(
    page: Page, visitor: Visitor, site: Site
) -> None:
    """How many of the newest calls each matched, and which of those it would have refused."""
    page.goto(f"{site.url}rules")
    page.get_by_label("Rules in TOML").fill(NO_SWEDEN)
    page.get_by_role("button", name="Put in force").click()
    row = page.locator("tbody tr")
    expect(row).to_contain_text("none matched")
    site.place("user:alice").result(timeout=10)
    page.reload()
    expect(row).to_contain_text("matched 1, 1 would be refused")
    visitor.is_usable()
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("alice")


def test_a_carriers_deck_is_read_after_what_it_leaves_open_was_said(
    page: Page, visitor: Visitor, site: Site, tmp_path: Path
) -> None:
    """Its columns are shown with samples and can be put right; the question stands at its field; the difference in money comes
    before it counts, and can be tried on past calls.
    """
    file = tmp_path / "carrier.csv"
    file.write_text(CARRIER, encoding="utf-8")
    page.goto(f"{site.url}rates")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("carrier.csv cannot be read yet")
    order = page.get_by_label("1/60 means")
    expect(order).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("The file leaves this open: '1/60' on line 4, Billing Increment")
    visitor.is_usable()
    order.select_option("next-first")
    page.get_by_label("Column Where to is taken for").select_option("destination")
    page.get_by_label("Time zone of its dates").fill("Atlantis")
    page.get_by_role("button", name="Read it again").click()
    expect(page.get_by_role("alert")).to_contain_text("a time zone such as UTC or Europe/Stockholm")
    expect(page.get_by_label("Time zone of its dates")).to_have_value("Atlantis")
    expect(order).to_have_value("next-first")
    expect(page.get_by_label("Column Where to is taken for")).to_have_value("destination")
    page.get_by_label("Time zone of its dates").fill("")
    page.get_by_label("These rows").select_option("merge")
    page.get_by_role("button", name="Read it again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What deck standard would change")
    changed = card(page, "Changed by most").locator("tbody tr")
    expect(changed).to_contain_text("4670 Sweden mobile")
    expect(changed).to_contain_text("+0.03")
    expect(card(page, "What calls then cost")).to_contain_text("60/1")
    visitor.is_usable()
    page.get_by_role("button", name="Try on past calls").click()
    expect(page.locator("#result")).to_contain_text("At another price")
    expect(page.locator("main")).to_contain_text("Deck standard as it is in carrier.csv")
    visitor.is_usable()
    page.get_by_role("button", name="Back to the deck").click()
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_role("status")).to_contain_text("Deck standard is in force:")
    expect(card(page, "Decks")).to_contain_text("carrier.csv")


def test_how_a_carriers_deck_is_read_is_remembered(page: Page, visitor: Visitor, site: Site, tmp_path: Path) -> None:
    """The next file of it raises no question; it is said where from, can be changed, a column be taken for nothing, and all of it
    be forgotten.
    """
    file = tmp_path / "december.csv"
    file.write_text(CARRIER.replace("0,0500", "0,0700"), encoding="utf-8")
    page.goto(f"{site.url}rates")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What deck standard would change")
    expect(card(page, "How the file is read")).to_contain_text("Read as carrier.csv of standard was on")
    expect(page.get_by_label("1/60 means")).to_have_value("next-first")
    where, setup = (
        page.get_by_label("Column Where to is taken for"),
        page.get_by_label("Column Effective Date is taken for"),
    )
    expect(where).to_have_value("destination")
    visitor.is_usable()
    where.select_option("nothing")
    setup.select_option("nothing")
    page.get_by_role("button", name="Read it again").click()
    expect(where).to_have_value("")
    expect(setup).to_have_value("")
    expect(card(page, "What calls then cost")).not_to_contain_text("Sweden mobile")
    page.get_by_label("Column New Rate (USD) is taken for").select_option("nothing")
    page.get_by_label("Column Old is taken for").select_option("nothing")
    page.get_by_role("button", name="Read it again").click()
    expect(page.get_by_role("alert")).to_contain_text("beside one with codes and one with prices")
    expect(page.get_by_label("Column New Rate (USD) is taken for")).to_have_value("rate_per_min")
    visitor.is_usable()
    page.get_by_role("button", name="Forget it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("december.csv cannot be read yet")
    expect(card(page, "How the file is read")).not_to_contain_text("Read as")


def test_faults_of_a_file_are_listed_by_line_and_column(
    page: Page, visitor: Visitor, site: Site, tmp_path: Path
) -> None:
    """With what was found, and what would do; nothing was changed."""
    file = tmp_path / "faulty.csv"
    file.write_text("Code;Rate (USD)\n46;cheap\n4x;0,02\n", encoding="utf-8")
    page.goto(f"{site.url}rates")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Show what would change").click()
    faults = card(page, "What is wrong").locator("tbody tr")
    expect(faults).to_have_count(2)
    expect(faults.first).to_contain_text("Rate (USD)")
    expect(faults.first).to_contain_text("cheap")
    visitor.is_usable()


def test_the_pages_are_usable_in_the_dark_and_on_a_phone(
    page: Page, visitor: Visitor, site: Site, tmp_path: Path
) -> None:
    """Nothing scrolls sideways, and letters stand out from their ground."""
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 740})
    file = tmp_path / "carrier.csv"
    file.write_text(CARRIER, encoding="utf-8")
    page.goto(f"{site.url}rates")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("cannot be read yet")
    for path in ("", "rules", "rules/backtest"):
        if path:
            page.goto(site.url + path)
        visitor.is_usable()
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path
