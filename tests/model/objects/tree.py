"""What the model of [MS-FSA] 2.1.1 knows: files, their streams, their names (links) and the opens of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(eq=False)
class Stream:
    """[MS-FSA] 2.1.1.5; the empty name is that of the main stream."""

    name: str
    data: bytearray = field(default_factory=bytearray)
    delete_pending: bool = False


@dataclass(eq=False)
class File:
    """[MS-FSA] 2.1.1.3: a file or directory.

    Attributes:
        attributes: FILE_ATTRIBUTE_*, without DIRECTORY and NORMAL.
        streams: by name in lower case.
        entries: the links in a directory, by name in lower case.
        links: its names.
        opens: all opens, of whichever stream.
        creation_time, write_time: FILETIMEs as far as a client has set them; None once the server's clock decides.
        eas: extended attributes by name.
    """

    directory: bool
    attributes: int = 0
    streams: dict[str, Stream] = field(default_factory=lambda: {"": Stream("")})
    entries: dict[str, Link] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    opens: list[Open] = field(default_factory=list)
    creation_time: int | None = None
    write_time: int | None = None
    eas: dict[bytes, bytes] = field(default_factory=dict)

    def below(self) -> Iterator[File]:
        """All files beneath a directory."""
        for link in self.entries.values():
            yield link.file
            yield from link.file.below()


@dataclass(eq=False)
class Link:
    """[MS-FSA] 2.1.1.4: a name of a file in a directory."""

    parent: File
    name: str
    file: File
    delete_pending: bool = False

    @property
    def path(self) -> str:
        """Backslash separated, relative to the share."""
        above = self.parent.links
        return f"{above[0].path}\\{self.name}" if above else self.name

    def appear(self) -> None:
        """Enter the name in its directory, whose write time moves."""
        self.parent.write_time = None
        self.parent.entries[self.name.lower()] = self
        self.file.links.append(self)

    def vanish(self) -> None:
        """Take the name out of its directory, whose write time moves."""
        self.parent.write_time = None
        del self.parent.entries[self.name.lower()]
        self.file.links.remove(self)


@dataclass(eq=False)
class Open:
    """[MS-FSA] 2.1.1.6.

    Attributes:
        client: which connection it was opened on.
        sticky_write_time: writes through it leave the write time.
    """

    client: int
    link: Link
    stream: Stream
    access: int
    share: int
    delete_on_close: bool = False
    sticky_write_time: bool = False

    @property
    def file(self) -> File:
        """The file that is open."""
        return self.link.file

    @property
    def gone(self) -> bool:
        """The stream went when its file was overwritten."""
        return self.file.streams.get(self.stream.name.lower()) is not self.stream

    @property
    def main(self) -> bool:
        """It is no open of a named stream."""
        return not self.stream.name
