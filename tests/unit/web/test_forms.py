"""What was typed stays, and what is wrong is said beside its field."""

from callgate.errors import Conflict, Invalid
from callgate.web.forms import Filled, sentence_of


def test_a_sentence_says_what_was_found_and_what_would_do() -> None:
    """Of an empty field, that it is empty."""
    assert sentence_of(Invalid("amount", "'1,5'", "a decimal such as 25.00")) == (
        "'1,5' will not do. What would: a decimal such as 25.00."
    )
    assert sentence_of(Invalid("amount", "''", "a decimal")) == "Nothing was entered. What would do: a decimal."
    assert sentence_of(Conflict("account a is closed")) == "Account a is closed."


def test_a_fault_stands_beside_the_field_that_it_is_about() -> None:
    """And beside the field that is named for all the rest."""
    form = Filled({"amount": "x", "why": ""}).blame(Invalid("why", "''", "a reason"), {"why": "why"}, "amount")
    assert (form["amount"], list(form.faults)) == ("x", ["why"])
    assert list(Filled({}).blame(Conflict("taken"), {"why": "why"}, "amount").faults) == ["amount"]
