"""Base of the many structures that are one row of fixed-size fields and nothing else."""

from __future__ import annotations

import struct
from typing import ClassVar, Self

import msgspec

from smbd.wire.buffer import Buffer
from smbd.wire.errors import WireError

_astuple = msgspec.structs.astuple


class Fixed(msgspec.Struct, gc=False):
    """A structure whose fields, in order, are those of `layout`; reserved fields are its pad bytes.

    A subclass names its specification section in its docstring. Input longer than the layout is accepted,
    as the protocol lets buffers be larger than what is in them, unless the subclass is `exact`.
    """

    layout: ClassVar[struct.Struct]
    exact: ClassVar[bool] = False

    def pack(self) -> bytes:
        """Return the bytes of the structure."""
        return self.layout.pack(*_astuple(self))

    @classmethod
    def unpack(cls, data: Buffer) -> Self:
        """Read the structure from the start of `data`.

        Raises:
            WireError: There are too few bytes, or, of an `exact` structure, too many.
        """
        try:
            fields = cls.layout.unpack_from(data)
        except struct.error:
            raise WireError(f"{cls.__name__} too short") from None
        if cls.exact and len(data) != cls.layout.size:
            raise WireError(f"{cls.__name__} too long")
        return cls(*fields)
