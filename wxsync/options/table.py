"""What one row of the option table says, and how a settings type carries its rows. Floor: ground, pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from wxsync.options.kinds import Kind

T = TypeVar("T")
_KEY = "option"


@dataclass(frozen=True)
class Row:
    """What the table says of one option, its name and section aside."""

    kind: Kind[Any]
    default: str | None  # None: there is none, and an empty value means not given
    help: str
    env: tuple[str, ...]  # the names that the replaced programs used
    secret: bool


@dataclass(frozen=True)
class Option:
    """One option: where it stands and what the table says of it."""

    section: str
    name: str
    row: Row

    @property
    def key(self) -> str:
        """Return its name as credentials and messages have it: section.option."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """Return the name of its own environment variable."""
        return f"WXSYNC_{self.section}_{self.name}".upper()

    @property
    def help(self) -> str:
        """Return the help text."""
        return self.row.help


def option(
    kind: Kind[T],
    default: str | None,
    help: str,  # noqa: A002 - as in argparse, where every reader knows it from
    *,
    env: tuple[str, ...] = (),
    secret: bool = False,
) -> T:
    """Return the dataclass field of one option: its value when not given, hidden in repr when secret."""
    value = kind.absent if default is None else kind.read(default)
    return field(default=value, repr=not secret, metadata={_KEY: Row(kind, default, help, env, secret)})


def options_of(section: str, settings_type: type[Any]) -> Iterator[Option]:
    """Yield the options that a section's settings type carries, in their order."""
    for each in fields(settings_type):
        yield Option(section, each.name, each.metadata[_KEY])
