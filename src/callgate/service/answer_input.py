"""A caller chose something in a menu of ours: decide where that leads like a first destination, and hold for it instead.

The hold of the menu gives way to that of the new destination in the transaction that stores the answer, so that whichever
of a choice and the end of the call comes first, money is held once and settled once.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from callgate.ledger.wallet import place_hold, void_hold
from callgate.numbers import parse_e164
from callgate.policy.account import Status
from callgate.policy.menu import MenuTree
from callgate.policy.number_list import NumberList
from callgate.policy.refusal import Refusal
from callgate.policy.route import shown_route
from callgate.policy.rules.judge import RuleSet
from callgate.protocol import Provider
from callgate.protocol.call import CallArrived, CallInput, Decision, Endpoint, GoOn, HangUp
from callgate.protocol.life import LIVE
from callgate.rating.deck import Deck
from callgate.service.account_events import tell_choice_refused, tell_if_blocked, tell_rule_failed
from callgate.service.application import ApplicationRow
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.decide import Facts, Redirected, Step, Verdict, decide
from callgate.service.dialled import MENU, OF_RULE, say_connect
from callgate.service.did import Did, DidKey
from callgate.service.due import RINGING, due_after
from callgate.service.elastic import DEFAULT_TERMS, ElasticTerms, begin, ending
from callgate.service.endpoint import Endpoint as Receiver
from callgate.service.inputs import Answered, InputKey
from callgate.service.outcome import Outcome
from callgate.service.records import Call, Callback, Flag
from callgate.service.redirect import is_redirected, rest_s
from callgate.service.say_refusal import say_refusal

STEP = "input"
"""What the trace calls a choice."""

_MARK = f'"step":"{STEP}"'.encode()


@dataclass(frozen=True, kw_only=True)
class AnswerInput:
    """Delivered twice, it holds once and answers the same bytes. A call that is in no menu of ours goes on."""

    chosen: CallInput
    body: bytes
    provider: Provider
    application: ApplicationRow
    decks: Mapping[str, Deck]
    dids: Mapping[DidKey, Did]
    rented: Collection[str]
    now: datetime
    endpoints: Sequence[Receiver] = ()  # who may want to hear that a limit was reached, or a block begins
    elastic: ElasticTerms = DEFAULT_TERMS
    lists: Sequence[NumberList] = ()
    rules: RuleSet | None = None

    def keys(self) -> Keys:
        return Keys(calls=(self.chosen.key,), inputs=(self._key(),))

    def run(self, books: Books) -> Outcome:
        if (known := books.inputs.get(self._key())) is not None:
            return self._record(books, known.answer, "repeat")
        call = books.calls.get(self.chosen.key)
        if call is None or not call.connected.startswith(f"{MENU}:"):
            return self._record(books, self._say(GoOn()), "")
        if call.state not in LIVE or Flag.END_UNCLEAR in call.flags:
            return self._record(books, self._say(HangUp()), "its call is not up")
        answer, note = self._answer(books, call)
        books.inputs.put(self._key(), Answered(key=self._key(), answer=answer))
        return self._record(books, answer, note)

    def _answer(self, books: Books, call: Call) -> tuple[bytes, str]:
        did = self.dids.get(DidKey(call.key.application, call.destination))
        rule = call.connected.removeprefix(OF_RULE) if call.connected.startswith(OF_RULE) else ""
        tree = self._tree(did, rule)
        place = None if tree is None else tree.place(self.chosen.menu, self.chosen.kind, self.chosen.value)
        saw = {"menu": self.chosen.menu, "kind": self.chosen.kind, "value": self.chosen.value}
        step = Step(STEP, saw | {"to": None if place is None else shown_route(place)}, None)
        if place is None:
            books.calls.put(call.key, _traced(call, (step,)))
            return self._say(HangUp()), ""
        facts = self._facts(books, call, place, did, rule)
        if is_redirected(call):
            facts = msgspec.structs.replace(facts, longest_s=rest_s(self.application.settings, facts.elapsed_s))
        verdict = decide(facts)
        again = next(number for number, each in enumerate(verdict.trace) if each.step == "destination")
        call = _traced(call, (step, *verdict.trace[again:]))
        if verdict.usage is not None:
            books.usages.put(AccountKey(call.key.application, verdict.usage.account), verdict.usage)
        if verdict.failed is not None:
            call = call.flagged(Flag.RULE_FAILED)
        if verdict.refusal is not None:
            books.calls.put(call.key, call)  # what was held for the menu stays held: the caller is still there
            self._tell(books, facts, call, verdict, verdict.refusal)
            return self._say(say_refusal(facts, verdict)), verdict.refusal
        return self._connected(books, call, facts, verdict), ""

    def _tree(self, did: Did | None, rule: str) -> MenuTree | None:
        """The menus that the caller is in, as they are now; None where they are gone, as when the rules were replaced."""
        if rule:
            return None if self.rules is None else self.rules.document.menus
        return None if did is None else did.menu

    def _facts(self, books: Books, call: Call, place: Endpoint, did: Did | None, rule: str) -> Facts:
        """Those of a first destination, with the money that is held for the menu given back."""
        assert call.account is not None and call.hold is not None, "a live call has both"
        account = books.accounts.get(AccountKey(call.key.application, call.account))
        assert account is not None, "an account is never removed"
        number = parse_e164(call.caller)
        arrived = CallArrived(
            key=call.key,
            name=self.chosen.name,
            destination=place,
            fingerprint=call.fingerprint,
            user=call.caller if did is None and number is None else None,
            cli=number,
        )
        return Facts(
            call=arrived,
            # A live call goes on when its application or account is suspended, so that only the later steps are asked.
            application=msgspec.structs.replace(self.application, status=Status.ACTIVE),
            account=msgspec.structs.replace(account, status=Status.ACTIVE),
            wallet=void_hold(books.wallet(call.key.application, call.account), call.hold.amount_micros),
            deck=self.decks.get(account.deck),
            usage=books.usages.get(AccountKey(call.key.application, call.account)),
            now=self.now,
            shown=None if did is None else did.number,
            elastic=self.elastic,
            lists=self.lists,
            rules=self.rules,
            redirected=Redirected(rule=rule, is_chosen=True) if rule else None,
            did=did,
            rented=self.rented,
            elapsed_s=max(0, -int((call.decided_at - self.now).total_seconds() // 1)),
        )

    def _tell(self, books: Books, facts: Facts, call: Call, verdict: Verdict, refusal: Refusal) -> None:
        """What the refusal of a choice says of the account that pays."""
        assert facts.account is not None, "a live call has a payer"
        account, wanted, now = facts.account, (verdict.destination or facts.call.destination).address, self.now
        tell_choice_refused(books, account, call, wanted, refusal, self.endpoints, now)
        if verdict.failed is not None:
            tell_rule_failed(books, account, call, verdict.failed, self.endpoints, now)
        if verdict.usage is not None:
            tell_if_blocked(books, account, facts.usage, verdict.usage, call, refusal, self.endpoints, now)

    def _connected(self, books: Books, call: Call, facts: Facts, verdict: Verdict) -> bytes:
        assert facts.wallet is not None and call.hold is not None and verdict.dialled is not None, "it was let through"
        payer = AccountKey(facts.wallet.application, facts.wallet.account)
        books.wallets.put(payer, place_hold(facts.wallet, verdict.hold_micros))
        answer = self._say(say_connect(verdict.dialled, self.chosen, verdict.granted_s, facts.shown))
        timer = begin(verdict.slice_s, self.now) if verdict.slice_s else None
        connected = msgspec.structs.replace(
            call,
            connected=verdict.dialled.name,
            granted_s=verdict.granted_s,
            rate=verdict.rate,
            hold=call.hold.replace(verdict.hold_micros),
            elastic=ending(verdict.granted_s, self.now) if verdict.needs_timer else timer,
            ask_at=due_after(self.now + RINGING, verdict.granted_s),
        )
        books.calls.put(call.key, connected)
        return answer

    def _say(self, decision: Decision) -> bytes:
        return self.provider.answer(self.chosen, decision).body

    def _record(self, books: Books, answer: bytes, note: str | Refusal) -> Outcome:
        books.callbacks.add(
            Callback(
                key=self.chosen.key,
                at=self.now,
                name=self.chosen.name,
                body=self.body,
                answer=answer,
                note=str(note),
                covered=self.chosen.covered,
            )
        )
        return Outcome(answer, note)

    def _key(self) -> InputKey:
        return InputKey(*self.chosen.key, self.chosen.fingerprint)


def has_chosen(call: Call) -> bool:
    """Whether its caller was in a menu of ours, and chose something there."""
    return _MARK in call.trace


def _traced(call: Call, steps: Sequence[Step]) -> Call:
    before: list[Any] = msgspec.json.decode(call.trace)
    return msgspec.structs.replace(call, trace=msgspec.json.encode([*before, *steps]))
