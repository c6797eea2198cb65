"""`callgate callout`: have the platform place a call."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callgate.cli.desk import AsJson, Config, InApp, Whole, open_books, read_settings, say, say_json, the_application
from callgate.service.callout import CalloutKind

if TYPE_CHECKING:
    from callgate.service.place_callout import Placing

REFUSED = 1


async def callout(
    kind: CalloutKind,
    *,
    account: str,
    to: str,
    sender: Annotated[str, Parameter(name="--from")] = "",
    cli: str = "",
    text: str = "",
    conference: str = "",
    greeting: str = "",
    locale: str = "",
    max_duration: Whole | None = None,
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Place a call: a spoken message, a conference, or click-to-call. Its money is held before anybody is rung.

    Parameters
    ----------
    kind
        tts speaks a text, conference rings somebody into a conference, bridge rings one number, then connects another.
    account
        Who pays.
    to
        The number to ring.
    sender
        The number that is shown; of a bridge, the number that is rung first.
    cli
        Of a bridge, the number that both see.
    text
        What tts speaks, at most 600 characters.
    conference
        The conference to join.
    greeting
        What is spoken to whoever is put into a conference.
    locale
        The language of what is spoken; the application's unless given.
    max_duration
        Seconds that it may last, at most 14400; 300 for tts unless given.
    """
    from callgate.app import asked, build_signing, build_vault, clock
    from callgate.protocol import PROVIDERS
    from callgate.service.call_out import Wanted, dial_first, prepare
    from callgate.service.catalog import Catalogs

    wanted = Wanted(
        account=account, kind=kind, to=to, sender=sender, cli=cli, text=text, conference=conference,
        greeting=greeting, locale=locale, max_duration_s=max_duration,
    )  # fmt: skip
    settings = read_settings(config)
    vault = build_vault(settings)
    async with open_books(config) as store, asked(store, settings) as platform:
        application = await the_application(store, app)
        catalogs = Catalogs(store, vault.unseal)
        await catalogs.refresh()
        prepared = await prepare(
            store, wanted, application, catalog=catalogs.now, key=build_signing(vault).holds, now=clock(),
            provider=PROVIDERS[catalogs.now.applications[application].row.provider],
        )  # fmt: skip
        placing = await store.perform(prepared.job)
        if placing.refusal is not None:
            return _say_refused(placing, as_json=json)
        call = await dial_first(store, platform, prepared, clock)
    call_id = prepared.reference if call is None else call.key.call_id
    if json:
        reply = {"call_id": call_id, "granted_s": placing.granted_s, "reference": prepared.reference}
        say_json(reply | {"is_placed": call is not None})
    elif call is None:
        say(f"The platform did not say whether it rings, and is not asked again: see callgate calls show {call_id}")
    else:
        say(f"The platform places call {call_id}, for at most {placing.granted_s} s.")
    return 0


def _say_refused(placing: "Placing", *, as_json: bool) -> int:
    from callgate.policy.refusal import SENTENCES

    assert placing.refusal is not None, "asked before"
    if as_json:
        say_json({"refusal": placing.refusal, "reference": placing.calls[-1].key.call_id})
    else:
        say(f"Refused: {placing.refusal}. {SENTENCES[placing.refusal]}")
    return REFUSED
