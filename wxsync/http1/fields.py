"""Field lines: sorted by what they mean to a gateway, and the rules of Connection. Floor: http1, pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MAX_FIELD_LINES = 1000
PLAIN = b""  # the kind of a field that means nothing here
# A block of field lines up to this size is remembered with what was made of it: clients and upstreams repeat
# themselves, and finding the result again costs a tenth of making it.
SMALL_BLOCK = 1024
REMEMBERED = 256
HARMLESS_OPTIONS = {b"close", b"keep-alive", b"te", b"upgrade"}  # they name no field that would go on anyway

Special = dict[bytes, list[bytes]]  # lower-case name -> values


def list_items(values: Iterable[bytes]) -> list[bytes]:
    """Return the items of a comma-separated field, all its lines joined, without the empty ones (RFC 9110 5.6.1)."""
    return [item for value in values for part in value.split(b",") if (item := part.strip(b" \t"))]


def sort_fields(block: bytes, kinds: Mapping[bytes, bytes]) -> tuple[list[bytes], Special]:
    """Return the lines of no meaning here, raw and in order, and the values of the others by kind.

    block holds valid lines, each with its CRLF. kinds knows raw names as they are mostly written, and every name that
    matters in lower case: one look-up tells the kind of most lines.
    """
    plain: list[bytes] = []
    special: Special = {}
    lines = block.split(b"\r\n")
    lines.pop()  # what follows the last CRLF
    for line in lines:
        name, _, value = line.partition(b":")
        kind = kinds.get(name)
        if kind is None:
            kind = kinds.get(name.lower(), PLAIN)
        if kind is PLAIN:
            plain.append(line)
        else:
            special.setdefault(kind, []).append(value.strip(b" \t"))
    return plain, special


def stays(special: Special, minor: int) -> bool:
    """Tell whether the sender will use the connection again (RFC 9112 9.3)."""
    if b"connection" not in special:
        return minor == 1
    options = [option.lower() for option in list_items(special[b"connection"])]
    return b"close" not in options and (minor == 1 or b"keep-alive" in options)


def nominated(special: Special) -> set[bytes]:
    """Return the lower-case names of the fields that Connection declares to be for one hop (RFC 9110 7.6.1)."""
    return {option.lower() for option in list_items(special.get(b"connection", ()))} - HARMLESS_OPTIONS


def without(lines: list[bytes], names: set[bytes]) -> list[bytes]:
    """Return the lines whose lower-case name is none of these."""
    return [line for line in lines if line.partition(b":")[0].lower() not in names] if names else lines
