"""What the platform knows of an application: its key and secret, and where its callbacks go."""

import msgspec


class CallbackUrls(msgspec.Struct, frozen=True, kw_only=True):
    """Where callbacks go; the fallback is asked only where the primary fails. Empty: no such URL."""

    primary: str = ""
    fallback: str = ""


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """One application. `allows_basic`: HTTP Basic is taken at the REST interface; `has_credit`: callouts are paid for."""

    key: str
    secret: str
    urls: CallbackUrls = CallbackUrls()
    allows_basic: bool = True
    has_credit: bool = True
