"""A call arrived: decide, hold the credit, grant the seconds, and store the answer so that a repeat gets the same bytes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from callgate.ledger.hold import Hold
from callgate.ledger.wallet import place_hold
from callgate.policy.account import Account
from callgate.policy.limits import MAX_GRANT_S
from callgate.policy.number_list import NumberList
from callgate.policy.refusal import Refusal
from callgate.policy.rules.facts import Value
from callgate.policy.rules.judge import RuleSet
from callgate.protocol import Provider
from callgate.protocol.call import CallArrived, HangUp, Origin
from callgate.protocol.life import CallState
from callgate.rating.deck import Deck
from callgate.service.account_events import tell_if_blocked, tell_refused, tell_rule_failed
from callgate.service.application import NUMBER, ApplicationRow
from callgate.service.books import AccountKey, Books, IdentityKey, Keys, TicketKey
from callgate.service.decide import Facts, Verdict, decide
from callgate.service.dialled import only_numbers, say_connect
from callgate.service.did import Did
from callgate.service.due import RINGING, due_after
from callgate.service.elastic import DEFAULT_TERMS, ElasticTerms, begin, ending
from callgate.service.emergency import (
    caller_of,
    calls_up,
    connected,
    dials_emergency,
    say_emergency,
    tell_emergency,
)
from callgate.service.endpoint import Endpoint
from callgate.service.outcome import Decided, Outcome
from callgate.service.records import Call, Callback, Flag
from callgate.service.redirect import Redirections, call_to, owner_of, redirected_by, traced
from callgate.service.say_refusal import say_refusal
from callgate.service.settle import Ending, read_ending, settle
from callgate.service.ticket import Presented, UsedTicket


@dataclass(frozen=True, kw_only=True)
class Authorize:
    """A call wants to be set up. Delivered twice, it holds once and answers the same bytes."""

    call: CallArrived
    body: bytes
    provider: Provider
    application: ApplicationRow  # this and the decks are looked up outside the lock: they do not change under a call
    decks: Mapping[str, Deck]
    now: datetime
    orphan_after: timedelta
    endpoints: Sequence[Endpoint] = ()  # who may want to hear of a refusal, or of the end where that came first
    elastic: ElasticTerms = DEFAULT_TERMS
    lists: Sequence[NumberList] = ()  # those of the application
    presented: Presented | None = None  # the ticket that the call carries
    payer: AccountKey | None = None  # who pays for a call that we place; its caller is nobody to be asked about
    longest_s: int = MAX_GRANT_S  # and for how long it was asked for
    rules: RuleSet | None = None
    hooks: Mapping[str, Value] | None = None  # what hooks said of the call
    did: Did | None = None  # of the rented number that is called
    rented: Mapping[str, Collection[AccountKey]] = field(default_factory=dict)
    redirections: Redirections = field(default_factory=dict)  # where a refused caller is led, whoever pays there

    def keys(self) -> Keys:
        calls = (self.call.key,)
        identities = tuple(key for key in (self._user(), self._number()) if key is not None)
        callers = (caller_of(self.call),) if self._is_emergency() else ()
        if self.presented is None and self.payer is None and self.did is None and not self.redirections:
            return Keys(calls=calls, identities=identities, emergencies=callers)
        dids = self.redirections.values() if self.did is None else (self.did,)
        payers = [*filter(None, (self.payer,)), *dict.fromkeys(map(owner_of, dids))]
        ticket = None if self.presented is None else self.presented.ticket
        if ticket is None:
            return Keys(calls=calls, identities=identities, accounts=tuple(payers), emergencies=callers)
        accounts = (*payers, AccountKey(ticket.application, ticket.account))
        used = (TicketKey(ticket.application, ticket.id),)
        return Keys(calls=calls, identities=identities, accounts=accounts, tickets=used, emergencies=callers)

    def run(self, books: Books) -> Outcome:
        known = books.calls.get(self.call.key)
        if known is None:
            return self._decide(books)
        if known.state is CallState.PARKED and self.now - known.decided_at < self.orphan_after:
            return self._decide_after_its_end(books, known)
        if known.state in _REPEATABLE and known.fingerprint == self.call.fingerprint:
            return self._answer(books, known.answer, note="repeat")
        books.calls.put(known.key, known.flagged(Flag.CONFLICT))
        return self._answer(books, self._hang_up(), note=Refusal.CALL_CONFLICT)

    def _decide(self, books: Books) -> Outcome:
        """The first time that we hear of this call."""
        call = self.authorized(books, self.elastic)
        books.calls.put(call.key, call)
        note = Flag.RULE_FAILED if Flag.RULE_FAILED in call.flags else ""
        decided = Decided(*self._answer(books, call.answer, note=note))
        decided.decision = call.refusal or "connect"
        return decided

    def _decide_after_its_end(self, books: Books, parked: Call) -> Outcome:
        """Its end overtook it. Decide as usual; where it would have connected, the end applies at once."""
        assert parked.parked is not None, "a parked call keeps its end"
        whole = ElasticTerms(slice_s=self.elastic.max_s, max_s=self.elastic.max_s)  # there is no time left to grow in
        call = self.authorized(books, whole, is_over=True)
        if call.hold is not None:
            call = settle(books, call, parked.parked, ended_at=parked.decided_at, endpoints=self.endpoints)
        elif read_ending(parked.parked) is not Ending.UNANSWERED:
            call = call.flagged(Flag.REFUSED_YET_ANSWERED)
        hang_up = self._hang_up()
        books.calls.put(call.key, msgspec.structs.replace(call, answer=hang_up))
        return self._answer(books, hang_up, note="its end came first")

    def authorized(self, books: Books, elastic: ElasticTerms, *, is_over: bool = False) -> Call:
        """Decide, and return the call's row; the hold of one that is let through is placed. Who is refused is led on where the
        operator said so, unless the call `is_over`.
        """
        facts = self._facts(books, elastic)
        verdict = decide(facts)
        if facts.emergencies_up is not None:
            return self._emergency(books, facts, verdict)
        self._use_ticket(books)
        if verdict.usage is not None and verdict.usage is not facts.usage:
            books.usages.put(AccountKey(verdict.usage.application, verdict.usage.account), verdict.usage)
        call = self._row(facts, verdict)
        if verdict.failed is not None:
            call = call.flagged(Flag.RULE_FAILED)
        if facts.account is not None:
            self._note_threshold(books, facts.account)
        if verdict.refusal is not None:
            if facts.account is not None and facts.wallet is not None:
                account, before, after = facts.account, facts.usage, verdict.usage
                tell_refused(books, account, facts.wallet, call, self.endpoints, self.now)
                if verdict.failed is not None:
                    tell_rule_failed(books, account, call, verdict.failed, self.endpoints, self.now)
                if after is not None:
                    refusal = verdict.refusal
                    tell_if_blocked(books, account, before, after, call, refusal, self.endpoints, self.now)
            did = self.redirections.get(verdict.refusal)
            if did is not None and self.did is None and not is_over:
                return self._redirected(books, call, facts, verdict, did)
            return msgspec.structs.replace(call, answer=self._refused(facts, verdict))
        return self._connected(books, call, facts, verdict)

    def _redirected(self, books: Books, call: Call, facts: Facts, refused: Verdict, did: Did) -> Call:
        """Judge the call anew as one to that rented number, and hold for it by its owner; where that is refused too, the first
        refusal stands. Whatever became of it, the refusal was told of the caller's account.
        """
        owner, refusal = owner_of(did), refused.refusal
        assert refusal is not None, "the caller has asked"
        account = books.accounts.get(owner)
        led = msgspec.structs.replace(
            facts,
            call=call_to(self.call, did),
            account=account,
            wallet=books.wallets.get(owner),
            usage=books.usages.get(owner),
            deck=None if account is None else self.decks.get(account.deck),
            shown=did.number,
            longest_s=self.application.settings.redirect_seconds,
            ticket="",
            redirected=redirected_by(refusal),
            did=did,
        )
        verdict = decide(led)
        call = msgspec.structs.replace(call, trace=msgspec.json.encode(traced(refused, did, verdict)))
        if verdict.refusal is not None:
            return msgspec.structs.replace(call, answer=self._refused(facts, refused))
        assert account is not None, "nothing is granted without an account"
        if verdict.usage is not None and verdict.usage is not led.usage:
            books.usages.put(owner, verdict.usage)
        self._note_threshold(books, account)
        led_on = msgspec.structs.replace(
            call, account=account.id, currency=account.currency, destination=did.number, refusal=None
        )
        return self._connected(books, led_on, led, verdict)

    def _row(self, facts: Facts, verdict: Verdict) -> Call:
        """The call as it stands before anything is held for it."""
        return Call(
            key=self.call.key,
            state=CallState.REFUSED,
            account=None if facts.account is None else facts.account.id,
            currency=None if facts.account is None else facts.account.currency,
            caller=self.call.user or self.call.cli or "",
            destination=(verdict.destination or self.call.destination).address,
            fingerprint=self.call.fingerprint,
            refusal=verdict.refusal,
            trace=msgspec.json.encode(verdict.trace),
            flags=(Flag.NEAR_LIMIT,) if verdict.is_near_limit else (),
            decided_at=self.now,
            resource=self.call.resource,
        )

    def _emergency(self, books: Books, facts: Facts, verdict: Verdict) -> Call:
        """Step 4 decides alone: neither a ticket nor a limit is used up."""
        call = self._row(facts, verdict).flagged(Flag.EMERGENCY)
        if verdict.refusal is None:
            connect = say_emergency(self.call, facts.shown)
            call = msgspec.structs.replace(
                connected(call, self.now), answer=self.provider.answer(self.call, connect).body
            )
        else:
            call = msgspec.structs.replace(call, answer=self._hang_up())
        tell_emergency(books, facts.account, call, self.endpoints, self.now)
        return call

    def _note_threshold(self, books: Books, account: Account) -> None:
        """Below what the balance is low, for who settles the call: there the application's settings are not at hand."""
        own = account.low_balance_micros
        threshold_micros = self.application.settings.low_balance if own is None else own
        if threshold_micros != account.alerts.threshold_micros:
            alerts = msgspec.structs.replace(account.alerts, threshold_micros=threshold_micros, is_low=False)
            noted = msgspec.structs.replace(account, alerts=alerts)
            books.accounts.put(AccountKey(account.application, account.id), noted)

    def _connected(self, books: Books, call: Call, facts: Facts, verdict: Verdict) -> Call:
        """Place the hold, and say so in the provider's words."""
        assert facts.wallet is not None and verdict.dialled is not None, "nothing is granted without a wallet"
        payer = AccountKey(facts.wallet.application, facts.wallet.account)
        books.wallets.put(payer, place_hold(facts.wallet, verdict.hold_micros))
        connect = say_connect(verdict.dialled, self.call, verdict.granted_s, facts.shown)
        timer = begin(verdict.slice_s, self.now) if verdict.slice_s else None
        return msgspec.structs.replace(
            call,
            state=CallState.ARRIVED,
            granted_s=verdict.granted_s,
            rate=verdict.rate,
            hold=Hold(amount_micros=verdict.hold_micros, placed_at=self.now),
            answer=self.provider.answer(self.call, connect).body,
            connected=verdict.dialled.name,
            elastic=ending(verdict.granted_s, self.now) if verdict.needs_timer else timer,
            ask_at=due_after(self.now + RINGING, verdict.granted_s),
        )

    def _facts(self, books: Books, elastic: ElasticTerms) -> Facts:
        payer = self.payer if self.payer is not None else self._payer(books)
        account = None if payer is None else books.accounts.get(payer)
        shown = None if account is None else self._screened_cli(books, account)
        return Facts(
            call=self.call,
            application=self.application if self.payer is None else only_numbers(self.application),
            account=account,
            wallet=None if payer is None else books.wallets.get(payer),
            usage=None if payer is None else books.usages.get(payer),
            deck=None if account is None else self.decks.get(account.deck),
            now=self.now,
            shown=shown,
            elastic=elastic,
            lists=self.lists,
            longest_s=self.longest_s,
            ticket="" if self.presented is None else self._ticket_fault(books) or "good",
            rules=self.rules,
            hooks=self.hooks or {},
            did=self.did,
            rented=self.rented,
            is_placed=self.payer is not None,
            emergencies_up=calls_up(books, caller_of(self.call), self.now) if self._is_emergency() else None,
        )

    def _is_emergency(self) -> bool:
        """Whether the caller dials an emergency number. No call that we place does."""
        return self.payer is None and dials_emergency(self.call, self.application.settings)

    def _payer(self, books: Books) -> AccountKey | None:
        """Step 5: the owner of the rented number that is called; else the in-app user, proven by the platform; else a ticket
        of ours; else what the application was told to trust. A ticket that is not good proves nobody, whatever else is
        trusted.
        """
        if self.did is not None:
            return AccountKey(self.did.application, self.did.account)
        user, number = self._user(), self._number()
        is_proven = self.call.origin is Origin.IN_APP
        if is_proven and user is not None and (account := books.identities.get(user)) is not None:
            return AccountKey(user.application, account)
        if self.presented is not None:
            ticket = self.presented.ticket
            is_good = ticket is not None and not self._ticket_fault(books)
            return AccountKey(ticket.application, ticket.account) if ticket is not None and is_good else None
        if number is None or NUMBER not in self.application.settings.trust:
            return None
        account = books.identities.get(number)
        return None if account is None else AccountKey(number.application, account)

    def _ticket_fault(self, books: Books) -> str:
        """Why the ticket that was presented proves nothing for this call, empty when it does."""
        assert self.presented is not None, "asked only of calls with a ticket"
        ticket = self.presented.ticket
        if ticket is None:
            return self.presented.fault
        used = books.tickets.get(TicketKey(ticket.application, ticket.id))
        if used is not None and used.call_id != self.call.key.call_id:
            return "used by another call"
        return "for another destination" if ticket.to and ticket.to != self.call.destination.address else ""

    def _use_ticket(self, books: Books) -> None:
        """Whatever was decided: the first call that presents a ticket has it, in the transaction of its decision."""
        ticket = None if self.presented is None else self.presented.ticket
        if ticket is not None and not self._ticket_fault(books):
            key = TicketKey(ticket.application, ticket.id)
            used = UsedTicket(
                application=key.application, id=key.id, call_id=self.call.key.call_id, expires_at=ticket.expires_at
            )
            books.tickets.put(key, used)

    def _screened_cli(self, books: Books, payer: Account) -> str | None:
        """A caller may show a number that is an identity of the account that pays, one that it rents, and one that it was
        permitted; any other stays hidden. A call that goes on from a rented number shows that.
        """
        if self.did is not None:
            return self.did.number
        cli, number = self.call.cli, self._number()
        if cli is None or number is None:
            return None
        if books.identities.get(number) == payer.id or AccountKey(payer.application, payer.id) in self.rented.get(
            cli, ()
        ):
            return cli
        permissions = payer.permissions.under(self.application.settings.permissions)
        return cli if permissions.may_show(cli) else None

    def _user(self) -> IdentityKey | None:
        return IdentityKey(self.call.key.application, f"user:{self.call.user}") if self.call.user else None

    def _number(self) -> IdentityKey | None:
        return IdentityKey(self.call.key.application, f"number:{self.call.cli}") if self.call.cli else None

    def _refused(self, facts: Facts, verdict: Verdict) -> bytes:
        """Say to the caller what the rule or the operator has for it, and hang up."""
        return self.provider.answer(self.call, say_refusal(facts, verdict)).body

    def _hang_up(self) -> bytes:
        return self.provider.answer(self.call, HangUp()).body

    def _answer(self, books: Books, answer: bytes, note: str = "") -> Outcome:
        books.callbacks.add(
            Callback(
                key=self.call.key,
                at=self.now,
                name=self.call.name,
                body=self.body,
                answer=answer,
                note=note,
                covered=self.call.covered,
            )
        )
        return Outcome(answer, note)


_REPEATABLE = frozenset({CallState.ARRIVED, CallState.ANSWERED, CallState.REFUSED})
"""States in which the same question gets the stored answer: decided before, and not ended."""
