"""Prompts: built so that the platform reads what was meant, and read as the platform does."""

import pytest

from callgate.errors import Invalid
from callgate.protocol.sinch import prompts
from callgate.protocol.sinch.prompts import Prompt


def test_what_is_built_is_read_again() -> None:
    """Every form survives the way through one list."""
    text = prompts.join(
        prompts.tts("Welcome"),
        prompts.ssml('<speak>Hi<break time="250ms"/></speak>'),
        prompts.href("https://example.com/a.mp3"),
        "https://example.com/b.mp3",
        "myfile",
    )
    assert text == (
        '#tts[Welcome];#ssml[<speak>Hi<break time="250ms"/></speak>];#href[https://example.com/a.mp3];'
        "https://example.com/b.mp3;myfile"
    )
    assert prompts.read(text) == (
        Prompt("tts", "Welcome"),
        Prompt("ssml", '<speak>Hi<break time="250ms"/></speak>'),
        Prompt("href", "https://example.com/a.mp3"),
        Prompt("href", "https://example.com/b.mp3"),
        Prompt("file", "myfile"),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#tts[a; b];c", (Prompt("tts", "a; b"), Prompt("file", "c"))),
        ("#tts[a] b];c", (Prompt("tts", "a] b"), Prompt("file", "c"))),
        ("#TTS[a]", (Prompt("tts", "a"),)),
        ("#tts[]", (Prompt("tts", ""),)),
        ("#tts[a\nb]", (Prompt("tts", "a\nb"),)),
        (";; a ; ;b;", (Prompt("file", "a"), Prompt("file", "b"))),
        ("", ()),
        (" ; ", ()),
    ],
)
def test_reading(text: str, expected: tuple[Prompt, ...]) -> None:
    """A `;` in brackets is text, a bracket ends where the next prompt begins, and empty places are passed over."""
    assert prompts.read(text) == expected


@pytest.mark.parametrize("text", ["#tts[a", "#tts a", "#", "#song[a]", "#tts[a]b", "a;#tts["])
def test_what_is_no_prompt(text: str) -> None:
    """A form that we do not know, or that never ends, is an error."""
    with pytest.raises(Invalid):
        prompts.read(text)


@pytest.mark.parametrize("build", [prompts.tts, prompts.ssml, prompts.href])
@pytest.mark.parametrize("text", ["a;b", "a]b"])
def test_what_cannot_be_escaped_is_refused(build: object, text: str) -> None:
    """Rather than played in pieces."""
    with pytest.raises(Invalid, match="cannot be escaped"):
        build(text)  # type: ignore[operator]


def test_spoken_text_has_a_limit() -> None:
    """600 characters of speech, and any URL."""
    assert prompts.tts("a" * 600)
    assert prompts.href("https://example.com/" + "a" * 600)
    with pytest.raises(Invalid, match="601 characters"):
        prompts.tts("a" * 601)
    with pytest.raises(Invalid, match="601 characters"):
        prompts.ssml("a" * 601)
