"""The entries of `interfaces`: a pattern, and options after a semicolon."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from smbd.config.values import ListType

RSS: Final = "RSS"
RDMA: Final = "RDMA"


@dataclass(frozen=True, slots=True)
class InterfaceOptions:
    """The options of an entry of `interfaces`; None where it leaves the value to the kernel."""

    speed: int | None = None
    if_index: int | None = None
    capabilities: frozenset[str] | None = None


def parse_entry(entry: str) -> tuple[str, InterfaceOptions]:
    """Split an entry of `interfaces` into its pattern and its options.

    Raises:
        ValueError: if an option is unknown or has no valid value.
    """
    pattern, _, text = entry.partition(";")
    options = InterfaceOptions()
    capabilities: set[str] = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = word.partition("=")
        key, value = key.strip().lower(), value.strip()
        if key == "speed" and value.isdecimal():
            options = replace(options, speed=int(value))
        elif key == "if_index" and value.isdecimal():
            options = replace(options, if_index=int(value))
        elif key == "capability" and value.upper() in {RSS, RDMA}:
            capabilities.add(value.upper())
        else:
            raise ValueError(
                "use options speed=NUMBER, if_index=NUMBER, capability=RSS and capability=RDMA,"
                " and put the whole entry in double quotes"
            )
    if capabilities:
        options = replace(options, capabilities=frozenset(capabilities))
    return pattern.strip(), options


class InterfaceListType(ListType):
    """The value of `interfaces`: words whose options are checked when the file is read."""

    def parse(self, text: str) -> list[str]:
        """Split the text and check each entry."""
        entries = super().parse(text)
        for entry in entries:
            parse_entry(entry)
        return entries
