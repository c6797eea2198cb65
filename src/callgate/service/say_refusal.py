"""What a caller hears before a refused call is hung up: the rule's own words, else the operator's for the refusal."""

from callgate.policy.texts import fill_in
from callgate.protocol.call import HangUp
from callgate.service.decide import Facts, Verdict


def say_refusal(facts: Facts, verdict: Verdict) -> HangUp:
    """Nothing is said of one account's credit or limits to an outside caller of its rented number: it pays, they do not."""
    settings = facts.application.settings
    if verdict.text:
        return HangUp(verdict.text, settings.locale)
    if verdict.refusal is None or facts.did is not None or not settings.texts.said:
        return HangUp()
    account, wallet = facts.account, facts.wallet
    wanted = settings.locale if account is None or not account.locale else account.locale
    text, locale = settings.texts.find(verdict.refusal, wanted, settings.locale)
    text = fill_in(text, None, "") if wallet is None else fill_in(text, wallet.available_micros, wallet.currency)
    return HangUp(text, locale) if text else HangUp()
