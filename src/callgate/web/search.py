"""What is looked for in lists: a part of a number or of a name, as somebody wrote it."""


def fragment_of(text: str) -> str:
    """What is looked for of a number as somebody wrote it: without the blanks and punctuation between its digits."""
    bare = text.translate(_PUNCTUATION)
    return bare if bare.removeprefix("+").isdigit() else text


def holds(fragment: str, *texts: str) -> bool:
    """Whether one of these texts has the fragment in it, in whatever case."""
    return any(fragment.lower() in text.lower() for text in texts)


_PUNCTUATION = str.maketrans("", "", " -().\u00a0")
