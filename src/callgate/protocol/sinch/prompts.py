"""Prompts: what `PlayFiles`, menus and `Park` play. Text to speech, SSML, media at a URL, or a file that was uploaded.

A list of prompts is one text, its forms joined by `;`. Nothing can be escaped in it, so text that holds `;` or `]` is
refused here rather than played in pieces. Source: Sinch Voice API reference, SVAML.
"""

import re

import msgspec

from callgate.errors import Invalid

MAX_SPOKEN = 600
"""Longest text of one spoken prompt, in characters; support raises it."""


class Prompt(msgspec.Struct, frozen=True):
    """One prompt: `kind` is `tts`, `ssml`, `href` or `file`."""

    kind: str
    value: str


def tts(text: str) -> str:
    """Speak a text. Raises `Invalid` for one that is too long or holds `;` or `]`."""
    return f"#tts[{_enclosable(text, 'tts')}]"


def ssml(markup: str) -> str:
    """Speak marked-up text. Raises `Invalid` for one that is too long or holds `;` or `]`."""
    return f"#ssml[{_enclosable(markup, 'ssml')}]"


def href(url: str) -> str:
    """Play media from a URL. Raises `Invalid` for a URL that holds `;` or `]`."""
    return f"#href[{_enclosable(url, 'href')}]"


def join(*prompts: str) -> str:
    """Play prompts one after the other, without a pause."""
    return ";".join(prompts)


def read(text: str) -> tuple[Prompt, ...]:
    """Read a list of prompts. A `;` within brackets is text, empty places are passed over.

    Raises `Invalid` for a form that we do not know or that is not closed.
    """
    prompts: list[Prompt] = []
    rest = text
    while rest := rest.lstrip("; \t\r\n"):
        if rest.startswith("#"):
            form = _FORM.match(rest)
            if form is None:
                raise Invalid("prompt", repr(rest[:40]), "#tts[...], #ssml[...] or #href[...]")
            prompts.append(Prompt(form["kind"].lower(), form["value"]))
            rest = rest[form.end() :]
        else:
            name, _, rest = rest.partition(";")
            prompts.append(Prompt("href" if "://" in name else "file", name.strip()))
    return tuple(prompts)


def _enclosable(text: str, kind: str) -> str:
    if ";" in text or "]" in text:
        raise Invalid(kind, repr(text[:40]), "text without `;` and `]`, which cannot be escaped")
    if kind != "href" and len(text) > MAX_SPOKEN:
        raise Invalid(kind, f"{len(text)} characters", f"at most {MAX_SPOKEN}")
    return text


_FORM = re.compile(r"#(?P<kind>tts|ssml|href)\[(?P<value>.*?)\]\s*(?=;|$)", re.DOTALL | re.IGNORECASE)
