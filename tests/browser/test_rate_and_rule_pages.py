"""Rates and rules in a real browser: a deck is looked at before it counts, and a rule before it binds."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from site_visit import Site, Visitor, card

HEADER = "prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from"


@pytest.fixture
def page(visitor: Visitor, site: Site) -> Page:
    visitor.page.goto(f"{site.url}rates")
    return visitor.page


def test_a_call_is_quoted(page: Page, visitor: Visitor) -> None:
    """By a deck or an account's; what cannot be dialled or is not priced is said beside its field."""
    visitor.is_usable()
    form = card(page, "What would a call cost?")
    form.get_by_label("Number").fill("+46 70 174 06 05")
    form.get_by_label("Seconds").fill("61")
    form.get_by_label("Account").fill("alice")
    form.get_by_role("button").click()
    expect(form.locator(".big")).to_contain_text("0.04")
    expect(form).to_contain_text("billed as 120 s")
    expect(form).to_contain_text("The account could pay for")
    form.get_by_label("Number").fill("soon")
    form.get_by_role("button").click()
    expect(form.get_by_role("alert")).to_contain_text("a number in E.164")
    expect(form.get_by_label("Number")).to_have_value("soon")
    visitor.is_usable()


def test_the_rows_of_a_deck_are_looked_up(page: Page, visitor: Visitor) -> None:
    """Those that begin with a number, or the ones that price it."""
    card(page, "Decks").get_by_role("link", name="standard").click()
    visitor.is_usable()
    field, show = page.get_by_label("Number, or its first digits"), page.get_by_role("button", name="Show")
    field.fill("+46 70 174 06 05")
    show.click()
    expect(page.locator("tbody tr").first).to_contain_text("Sweden")
    field.fill("0")
    show.click()
    expect(page.get_by_text("No row is like that.")).to_be_visible()


def test_a_deck_is_uploaded_looked_at_and_put_in_force(page: Page, visitor: Visitor, tmp_path: Path) -> None:
    """Nothing changes before the second button; each fault is said with its line and column."""
    form = card(page, "Import a deck")
    form.get_by_label("Deck", exact=True).fill("wholesale")
    form.get_by_label("or rows").fill(f"{HEADER}\n46,Sweden,cheap,0,60,60,2020-01-01")
    form.get_by_role("button", name="Show what would change").click()
    expect(form.locator(".faults")).to_contain_text("line 2, rate_per_min: found 'cheap'")
    expect(form.get_by_label("Deck", exact=True)).to_have_value("wholesale")
    visitor.is_usable()
    file = tmp_path / "decks of a carrier.csv"
    file.write_text(f"{HEADER}\n46,Sweden,0.0300,0,60,60,2020-01-01\n47,Norway,,0,60,60,2020-01-01\n", encoding="utf-8")
    form.get_by_label("File").set_input_files(file)
    form.get_by_label("or rows").fill("")
    form.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What deck wholesale would change")
    expect(page.locator(".counters")).to_contain_text("Added2")
    visitor.is_usable()
    page.get_by_role("button", name="Put in force").click()
    expect(page.locator(".said")).to_contain_text("Deck wholesale is in force: 2 added")
    expect(card(page, "Decks")).to_contain_text("decks of a carrier.csv")
    form.get_by_label("Deck", exact=True).fill("wholesale")
    form.get_by_label("or rows").fill(f"{HEADER}\n46,Sweden,0.0400,0,60,60,2020-01-01\n")
    form.get_by_label("These rows").select_option("merge")
    form.get_by_role("button", name="Show what would change").click()
    expect(card(page, "Changed by most")).to_contain_text("0.04")
    page.get_by_role("link", name="Cancel").click()
    quote = card(page, "What would a call cost?")
    quote.get_by_label("Number").fill("+46701740605")
    quote.get_by_label("or deck").select_option("wholesale")
    quote.get_by_role("button").click()
    expect(quote).to_contain_text("0.03 USD")


def test_rules_are_written_watched_and_switched_on(page: Page, visitor: Visitor, site: Site) -> None:
    """In shadow first; the button makes one binding, and back. Faults are said by line and column."""
    page.goto(f"{site.url}rules")
    visitor.is_usable()
    document = page.get_by_label("Rules in TOML")
    document.fill('[[rule]]\nname = "x"\ncondition = "cost > 1"\neffect = "refuse"\n')
    page.get_by_role("button", name="Put in force").click()
    expect(page.locator(".faults")).to_contain_text("line 3")
    expect(document).to_contain_text("cost > 1")
    visitor.is_usable()
    document.fill('# ours\n[[rule]]\nname = "no-sweden"\ncondition = \'country == "SE"\'\neffect = "refuse"\n')
    page.get_by_role("button", name="Put in force").click()
    expect(page.locator(".said")).to_have_text("Version 1 is in force.")
    site.place("user:alice").result(timeout=10)
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator(".said")).to_have_text("Rule no-sweden is binding from now on.")
    expect(document).to_contain_text("# ours")
    site.place("user:alice").result(timeout=10)
    page.goto(f"{site.url}calls?outcome=rule")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.goto(f"{site.url}rules")
    page.get_by_role("button", name="Put in shadow").click()
    expect(page.locator(".said")).to_have_text("Rule no-sweden only watches from now on.")
    page.get_by_role("link", name="Version 1").click()
    expect(page.locator("main")).to_contain_text("version 1")
    visitor.is_usable()


def test_a_number_is_put_on_a_list_and_refused(page: Page, visitor: Visitor, site: Site) -> None:
    """Within a second, and let through again once it is taken off; what is no number is said by its line."""
    page.goto(f"{site.url}lists")
    visitor.is_usable()
    form = card(page, "New list")
    form.get_by_label("Name").fill("two words")
    form.get_by_role("button").click()
    expect(form.get_by_role("alert")).to_be_visible()
    expect(form.get_by_label("Name")).to_have_value("two words")
    visitor.is_usable()
    form.get_by_label("Name").fill("fraud")
    form.get_by_role("button").click()
    expect(page.locator(".said")).to_have_text("List fraud is in force, and empty.")
    entries = page.get_by_label("Numbers and prefixes")
    entries.fill("+46701740605\nsoon")
    page.get_by_role("button", name="Put on").click()
    expect(page.locator(".faults")).to_contain_text("line 2")
    expect(entries).to_contain_text("soon")
    visitor.is_usable()
    entries.fill("+46701740605\n+4690*")
    page.get_by_role("button", name="Put on").click()
    expect(page.locator(".said")).to_have_text("2 more on the list.")
    site.place("user:alice").result(timeout=10)
    page.get_by_role("link", name="Calls", exact=True).click()
    expect(page.locator("tbody tr").first).to_contain_text("refused: destination blocked")
    page.goto(f"{site.url}lists/fraud")
    page.get_by_role("button", name="Take +46701740605 off the list").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Delete list").click()
    expect(page.locator(".said")).to_have_text("List fraud is gone.")


def test_the_pages_are_usable_in_the_dark_and_on_a_phone(page: Page, visitor: Visitor, site: Site) -> None:
    """Nothing scrolls sideways, and letters stand out from their ground."""
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("rates?destination=%2B46701740605", "rates/decks/standard", "rules", "lists"):
        page.goto(site.url + path)
        visitor.is_usable()
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path
