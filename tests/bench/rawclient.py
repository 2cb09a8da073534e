"""The load generator: requests packed once, patched and sent in a tight loop.

A connection is set up by ``tests.smbxcli`` and then driven here. An operation is a list of ``Step``s (open, write,
close); a ``Lane`` walks through them again and again, one request outstanding at a time, so as many lanes as run
side by side is the queue depth. What changes from one round to the next is patched into the packed bytes: message
id, FileId, a serial number in the name. Every status is checked.
"""

from __future__ import annotations

import gc
import mmap
import select
import struct
import time
from collections.abc import Sequence
from typing import Final

from smbd.crypto.sealing import TAG_LENGTH, TRANSFORM_LENGTH
from smbd.wire.constants import (
    SMB2_ECHO,
    SMB2_FLAGS_RELATED_OPERATIONS,
    SMB2_FLAGS_SIGNED,
    SMB2_UNSOLICITED_MESSAGE_ID,
)
from smbd.wire.echo import EchoRequest
from tests.servers import Server
from tests.smbxcli import Connection, Message, Offer, Protection, Session, Tree
from tests.smbxcli.message import Body
from tests.smbxcli.window import charge_for
from vfs.ntstatus import STATUS_PENDING, STATUS_SUCCESS, status_name

#: Stands for the FileId that the lane's CREATE returned.
FILE_ID: Final = (0x5EED_F11E_5EED_F11E, 0x1DE5_1DE5_1DE5_1DE5)
#: Stands for the serial number of the operation, in a name.
SERIAL: Final = "#serial#"

_FILE_ID_BYTES: Final = struct.pack("<QQ", *FILE_ID)
_SERIAL_BYTES: Final = SERIAL.encode("utf-16-le")
_LENGTH: Final = struct.Struct(">I")
_MESSAGE_ID: Final = struct.Struct("<Q")
_MESSAGE_ID_AT: Final = 24
# Status, NextCommand and MessageId of a response; FileId of a CREATE response ([MS-SMB2] 2.2.14).
_RESPONSE: Final = struct.Struct("<8xI8xIQ")
_CREATED_AT: Final = 64 + 64
_SEALED: Final = 0xFD
_BUFFER: Final = 24 << 20


class LoadError(RuntimeError):
    """The server answered otherwise than the load expects."""


class Step:
    """One frame of an operation.

    Attributes:
        frame: length and message(s), to be patched.
        learns: whether the response holds a FileId for the steps after it.
        status: what the response has to say.
        until: the step is repeated until the response says this.
    """

    __slots__ = ("charges", "file_id_at", "frame", "learns", "sealed", "serial_at", "status", "until", "view")

    def __init__(
        self,
        tree: Tree,
        *requests: tuple[int, Body] | tuple[int, Body, int],
        learns: bool = False,
        status: int = STATUS_SUCCESS,
        until: int | None = None,
    ) -> None:
        """Pack a request, or several as a compound of related ones.

        Args:
            tree: where it goes.
            requests: command, body and, above 64 KiB, bytes of payload in either direction.
            learns: see above.
            status: see above.
            until: see above.
        """
        session = tree.session
        messages: list[Message] = []
        for command, body, *payload in requests:
            charge = charge_for(*payload) if payload else 1
            message = tree.prepare(command, body, message_id=0, credit_charge=charge, credits=1)
            if messages:
                message.header.flags |= SMB2_FLAGS_RELATED_OPERATIONS
            if session.protection is Protection.SIGN:
                message.header.flags |= SMB2_FLAGS_SIGNED
            messages.append(message)
        packed = session.connection.frame(messages, Protection.PLAIN)
        self.frame = bytearray(_LENGTH.pack(len(packed))) + packed
        self.view = memoryview(self.frame)
        at, self.charges = 4, []
        for message in messages:
            self.charges.append((at + _MESSAGE_ID_AT, message.header.credit_charge))
            at += message.header.next_command
        self.file_id_at = max(self.frame.find(_FILE_ID_BYTES), 0)
        self.serial_at = max(self.frame.find(_SERIAL_BYTES), 0)
        self.learns = learns
        self.status = status
        self.until = until
        self.sealed = memoryview(b"")
        if session.protection is Protection.SEAL:
            # Behind the ciphertext the tag is put before it goes into the header.
            self.sealed = memoryview(bytearray(4 + TRANSFORM_LENGTH + len(packed) + TAG_LENGTH))
            self.sealed[:4] = _LENGTH.pack(TRANSFORM_LENGTH + len(packed))


class Lane:
    """One operation after the other.

    Attributes:
        steps: of each operation.
        file_id: 16 bytes, of the last CREATE.
        serial: number of the operation, for the names.
        limit: no operation begins with a serial from here on.
        wrap: the serial goes back to 0 here; 0 for never.
    """

    __slots__ = ("began", "file_id", "index", "limit", "serial", "steps", "wrap")

    def __init__(self, steps: Sequence[Step], *, serial: int = 0, limit: int = 1 << 60, wrap: int = 0) -> None:
        self.steps = steps
        self.file_id = bytes(16)
        self.index = 0
        self.serial = serial
        self.limit = limit
        self.wrap = wrap
        self.began = 0.0


class Tally:
    """What a run came to.

    Attributes:
        seconds: from the first request to the last response.
        times: seconds of each operation.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.times: list[float] = []

    @property
    def operations(self) -> int:
        """How many operations were completed."""
        return len(self.times)


class RawClient:
    """One connection, logged in, with a tree connect.

    Attributes:
        connection, session, tree: the same as ``smbxcli`` sees them; to be used while nothing is outstanding here.
    """

    def __init__(
        self,
        server: Server,
        share: str = "tmp",
        *,
        offer: Offer | None = None,
        protection: Protection = Protection.PLAIN,
        window: int = 512,
        previous_session_id: int = 0,
    ) -> None:
        """Connect and log in; further requests are protected as told."""
        self.connection = Connection.open("127.0.0.1", server.port, offer or Offer(), timeout=60)
        self.session = Session(self.connection)
        self.session.authenticate(server.user, server.password, previous_session_id=previous_session_id)
        self.tree = self.session.tree_connect(share)
        self._gain(window)
        self.session.protection = protection
        self._socket = self.connection.transport._sock
        self._socket.settimeout(60)
        self._signer = self.session.signer(self.connection)
        self._next_id = self.connection.window.next_id
        self._waiting: dict[int, Lane] = {}
        self._out: list[bytearray | memoryview] = []
        self._buffer = mmap.mmap(-1, _BUFFER)
        self._view = memoryview(self._buffer)
        self._at = self._have = 0

    def _gain(self, wanted: int) -> None:
        window = self.connection.window
        window.wanted = wanted
        for _ in range(wanted):
            if window.credits >= wanted:
                return
            self.session.send(SMB2_ECHO, EchoRequest()).recv().check()
        raise LoadError(f"the server grants {window.credits} credits and no more")

    def close(self) -> None:
        """Hang up."""
        self.connection.close()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def position(self) -> tuple[int, int]:
        """The next message id and nonce: what a copy of this client in another process has used up."""
        sealer = self.session._sealer
        return self._next_id, sealer.counter if sealer else 0

    @position.setter
    def position(self, value: tuple[int, int]) -> None:
        self._next_id, counter = value
        if self.session._sealer:
            self.session._sealer.counter = counter

    # -- requests ------------------------------------------------------------------------------------------

    def post(self, lane: Lane) -> None:
        """Put the lane's next request into the queue; it leaves when somebody waits for a response."""
        step = lane.steps[lane.index]
        frame = step.frame
        message_id = self._next_id
        self._waiting[message_id] = lane
        for at, charge in step.charges:
            _MESSAGE_ID.pack_into(frame, at, message_id)
            message_id += charge
        self._next_id = message_id
        if at := step.file_id_at:
            frame[at : at + 16] = lane.file_id
        if at := step.serial_at:
            frame[at : at + 16] = f"{lane.serial:08}".encode("utf-16-le")
        protection = self.session.protection
        if protection is Protection.PLAIN:
            self._out.append(frame)
        elif protection is Protection.SIGN:
            self._signer.sign(step.view[4:])
            self._out.append(frame)
        else:
            sealed, length = step.sealed, len(frame) - 4
            sealed[4 + TRANSFORM_LENGTH : 4 + TRANSFORM_LENGTH + length] = step.view[4:]
            self.session._sealer.seal(sealed, 4, length, self.session.session_id)
            self._out.append(sealed[: 4 + TRANSFORM_LENGTH + length])

    def flush(self) -> None:
        """Send what is in the queue."""
        if len(self._out) == 1:
            self._socket.sendall(self._out[0])
        elif self._out:
            self._socket.sendall(b"".join(self._out))
        self._out.clear()

    # -- responses -----------------------------------------------------------------------------------------

    def _frame(self) -> tuple[int, int]:
        """Where the next frame's messages begin and end in the buffer, deciphered."""
        view = self._view
        at, have = self._at, self._have
        while True:
            if have - at >= 4:
                end = at + 4 + _LENGTH.unpack_from(view, at)[0]
                if end <= have:
                    break
            self.flush()
            if at:
                view[: have - at] = view[at:have]
                have -= at
                at = 0
            got = self._socket.recv_into(view[have : have + (1 << 20)])
            if not got:
                raise LoadError("the server closed the connection")
            have += got
        self._at, self._have = end, have
        at += 4
        if view[at] == _SEALED:
            self.session.opener.unseal(view, at, end - at)
            at += TRANSFORM_LENGTH
        return at, end

    def receive(self) -> tuple[int, memoryview]:
        """The next response or notification that is more than "pending": its status and the whole message."""
        while True:
            at, end = self._frame()
            status, _, message_id = _RESPONSE.unpack_from(self._view, at)
            if status != STATUS_PENDING:
                self._waiting.pop(message_id, None)
                return status, self._view[at:end]

    def receive_within(self, timeout: float) -> tuple[int, memoryview] | None:
        """The same, or None if nothing of it has begun to arrive in time."""
        while True:
            self.flush()
            if self._have == self._at and not select.select([self._socket], [], [], timeout)[0]:
                return None
            at, end = self._frame()
            status, _, message_id = _RESPONSE.unpack_from(self._view, at)
            if status != STATUS_PENDING:
                self._waiting.pop(message_id, None)
                return status, self._view[at:end]

    def call(self, step: Step, lane: Lane | None = None) -> memoryview:
        """Send one request and return its response.

        Raises:
            LoadError: its status is not what the step expects.
        """
        lane = lane or Lane([step])
        lane.steps, lane.index = [step], 0
        self.post(lane)
        status, message = self.receive()
        if status != step.status:
            raise LoadError(f"{status_name(status)} instead of {status_name(step.status)}")
        if step.learns:
            lane.file_id = bytes(message[_CREATED_AT : _CREATED_AT + 16])
        return message

    # -- loops ---------------------------------------------------------------------------------------------

    def once(self, lanes: Sequence[Lane], steps: Sequence[Sequence[Step]]) -> None:
        """Let each lane walk once through steps that are not its own: what opens its file, say."""
        for lane, special in zip(lanes, steps, strict=True):
            usual, lane.steps = lane.steps, special
            self.run([lane], 0)
            lane.steps = usual

    def run(self, lanes: Sequence[Lane], seconds: float) -> Tally:
        """Let the lanes work; after `seconds` none begins anew. Every lane does at least one operation.

        Raises:
            LoadError: a response has another status than its step expects.
        """
        tally = Tally()
        times = tally.times
        clock = time.perf_counter
        view, waiting = self._view, self._waiting
        gc.disable()
        began = clock()
        deadline = began + seconds
        for lane in lanes:
            lane.index, lane.began = 0, clock()
            self.post(lane)
        while waiting:
            at, _end = self._frame()
            status, following, message_id = _RESPONSE.unpack_from(view, at)
            if status == STATUS_PENDING:
                continue
            lane = waiting.pop(message_id, None)
            if lane is None:
                what = "a break" if message_id == SMB2_UNSOLICITED_MESSAGE_ID else f"message {message_id}"
                raise LoadError(f"nobody waits for {what}")
            step = lane.steps[lane.index]
            if step.until is not None:
                if status == step.until:
                    lane.index += 1
                elif status:
                    raise LoadError(f"{status_name(status)} instead of {status_name(step.until)}")
            elif status != step.status:
                raise LoadError(f"{status_name(status)} instead of {status_name(step.status)} in step {lane.index}")
            else:
                lane.index += 1
            if step.learns:
                lane.file_id = bytes(view[at + _CREATED_AT : at + _CREATED_AT + 16])
            while following:
                at += following
                status, following, _ = _RESPONSE.unpack_from(view, at)
                if status:
                    raise LoadError(f"{status_name(status)} in a compound")
            if lane.index == len(lane.steps):
                now = clock()
                times.append(now - lane.began)
                lane.index = 0
                lane.serial += 1
                if lane.serial == lane.wrap:
                    lane.serial = 0
                if now >= deadline or lane.serial >= lane.limit:
                    continue
                lane.began = now
            self.post(lane)
        tally.seconds = clock() - began
        gc.enable()
        return tally
