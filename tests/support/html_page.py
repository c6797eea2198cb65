"""A page as whoever fills in its forms meets it: its fields with what stands in them, and the texts that describe them."""

from html.parser import HTMLParser
from typing import NamedTuple

VOID = frozenset({"input", "meta", "link", "br", "img", "source", "path", "rect", "line"})


class Field(NamedTuple):
    """A field of a form. `value` is what stands in it, empty for a box that is not ticked."""

    form: str
    name: str
    value: str
    is_marked: bool
    described_by: tuple[str, ...]
    is_hidden: bool


class HtmlPage(HTMLParser):
    """`fields` of all forms in their order, `texts` by id of their element."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.fields: list[Field] = []
        self.texts: dict[str, str] = {}
        self.actions: list[tuple[str, str]] = []
        self._open: list[tuple[str, str]] = []
        self._form = ""
        self._field: dict[str, str] | None = None
        self._value: str | None = None
        self.feed(markup)

    def named(self, name: str, form: str = "") -> list[Field]:
        """Fields of this name, in forms whose action ends so."""
        return [field for field in self.fields if field.name == name and field.form.endswith(form)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self._open.append((tag, known.get("id", "")))
        if "id" in known:
            self.texts.setdefault(known["id"], "")
        match tag:
            case "form":
                self._form = known.get("action", "")
                self.actions.append((known.get("method", "get"), self._form))
            case "input":
                is_box = known.get("type") in ("checkbox", "radio")
                self._add(known, known.get("value", "") if not is_box or "checked" in known else "")
            case "textarea":
                self._field, self._value = known, ""
            case "select":
                self._field, self._value = known, None
            case "option" if self._field is not None and (self._value is None or "selected" in known):
                self._value = known.get("value", "\0")

    def handle_data(self, data: str) -> None:
        for _, named in self._open:
            if named:
                self.texts[named] += data
        if self._field is not None and self._open and self._open[-1][0] == "textarea":
            self._value = (self._value or "") + data
        if self._field is not None and self._value == "\0":
            self._value = data.strip()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("textarea", "select") and self._field is not None:
            self._add(self._field, self._value or "")
            self._field = self._value = None
        if tag == "form":
            self._form = ""
        while self._open:
            closed, _ = self._open.pop()
            if closed == tag:
                break

    def _add(self, known: dict[str, str], value: str) -> None:
        self.fields.append(
            Field(
                form=self._form,
                name=known.get("name", ""),
                value=value,
                is_marked=known.get("aria-invalid") == "true",
                described_by=tuple(known.get("aria-describedby", "").split()),
                is_hidden=known.get("type") == "hidden" or "hidden" in known,
            )
        )
