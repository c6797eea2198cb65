"""What a connector is given to prove itself with: one token, or the parts of something larger, as JSON."""

from collections.abc import Mapping

from callgate.errors import Invalid


def token_or(given: Mapping[str, str], *parts: str) -> Mapping[str, str]:
    """A token alone, or exactly these parts. Raises `Invalid`, which repeats nothing of what was given."""
    if set(given) == {"token"} and given["token"]:
        return given
    return exactly(given, *parts, what="a token, or ")


def exactly(given: Mapping[str, str], *parts: str, what: str = "") -> Mapping[str, str]:
    """Exactly these parts. Raises `Invalid`."""
    if set(given) == set(parts) and all(given.values()):
        return given
    found = "a token alone" if set(given) == {"token"} else f"JSON with {', '.join(sorted(given)) or 'nothing'}"
    names = ", ".join(f'"{name}": "..."' for name in parts)
    raise Invalid("credentials", found[:200], f"{what}JSON as {{{names}}}")
