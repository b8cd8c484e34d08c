"""Read the small XML documents of WeCom, strictly and bounded: UTF-8, no DOCTYPE, no entities. Floor: wecom, pure."""

from __future__ import annotations

from dataclasses import dataclass
from xml.parsers import expat

from wxsync.wecom.refusal import CallbackRefused

MAX_DEPTH = 16
MAX_ELEMENTS = 2000


@dataclass(frozen=True)
class Child:
    """An element right below the root: its own text, and whether it has elements of its own."""

    name: str
    text: str
    is_leaf: bool


def read_children(document: bytes, check: str) -> tuple[Child, ...]:
    """Return the children of the root in their order; raises CallbackRefused(check) for what is no plain document."""
    reader = _Reader(check)
    _require_utf8(document, check)
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.XmlDeclHandler = reader.declared
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    parser.EntityDeclHandler = reader.refuse_doctype
    parser.StartElementHandler = reader.started
    parser.EndElementHandler = reader.ended
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise CallbackRefused(check, f"no well-formed XML: {error}") from error
    return tuple(reader.children)


def _require_utf8(document: bytes, check: str) -> None:
    """Refuse UTF-16 too, with or without its mark: expat recognises it even when it is told UTF-8."""
    try:
        document.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CallbackRefused(check, "is not UTF-8") from error
    if 0 in document:  # in UTF-16 every `<` holds one; in XML it is legal nowhere
        raise CallbackRefused(check, "holds a zero byte")


class _Reader:
    """Collects the second level of one document."""

    def __init__(self, check: str) -> None:
        self.children: list[Child] = []
        self._check = check
        self._depth = 0
        self._elements = 0
        self._text: list[str] = []
        self._is_leaf = True

    def declared(self, version: str, encoding: str | None, standalone: int) -> None:  # noqa: ARG002 - expat's signature
        if encoding is not None and encoding.lower() not in {"utf-8", "utf8"}:
            self._refuse("declares an encoding other than UTF-8")

    def refuse_doctype(self, *_: object) -> None:
        self._refuse("has a DOCTYPE or an entity declaration")

    def started(self, name: str, attributes: dict[str, str]) -> None:  # noqa: ARG002 - expat's signature
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            self._refuse("has too many elements")
        self._is_leaf = self._depth <= 2
        if self._depth == 2:
            self._text = []

    def text(self, data: str) -> None:
        if self._depth == 2:
            self._text.append(data)

    def ended(self, name: str) -> None:
        if self._depth == 2:
            self.children.append(Child(name, "".join(self._text), self._is_leaf))
        self._depth -= 1

    def _refuse(self, what: str) -> None:
        raise CallbackRefused(self._check, what)
