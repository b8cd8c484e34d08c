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
    _require_utf8(document, check)
    reader = _Reader(check)
    reader.read(document)
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

    def read(self, document: bytes) -> None:
        """Read the document to its end; raises CallbackRefused."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declare
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.EntityDeclHandler = self._refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add
        try:
            parser.Parse(document, True)
        except expat.ExpatError as error:
            raise CallbackRefused(self._check, f"no well-formed XML: {error}") from error

    def _declare(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            self._refuse("declares an encoding other than UTF-8")

    def _refuse_doctype(self, *_: object) -> None:
        self._refuse("has a DOCTYPE or an entity declaration")

    def _start(self, _name: str, _attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            self._refuse("has too many elements")
        self._is_leaf = self._depth <= 2
        if self._depth == 2:
            self._text = []

    def _add(self, text: str) -> None:
        if self._depth == 2:
            self._text.append(text)

    def _end(self, name: str) -> None:
        if self._depth == 2:
            self.children.append(Child(name, "".join(self._text), self._is_leaf))
        self._depth -= 1

    def _refuse(self, what: str) -> None:
        raise CallbackRefused(self._check, what)
