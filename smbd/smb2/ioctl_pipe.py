"""Control codes of named pipes ([MS-SMB2] 3.3.5.15.3 to .5)."""

from __future__ import annotations

from smbd.rpc.pipe import Pipe
from smbd.smb2.ioctl_request import IoctlCall, IoctlOutput
from smbd.wire.fsctl import PipePeekResponse
from vfs.ntstatus import STATUS_INVALID_DEVICE_REQUEST, STATUS_NOT_SUPPORTED, NTStatusError


def _pipe(call: IoctlCall) -> Pipe:
    pipe = call.open().pipe
    if pipe is None:
        raise NTStatusError(STATUS_INVALID_DEVICE_REQUEST, "not a pipe")
    return pipe


def transceive(call: IoctlCall) -> IoctlOutput:
    """Write a message and read the answer, or as much of it as the client takes now."""
    pipe = _pipe(call)
    pipe.write(bytes(call.message.input_data))
    data, status = pipe.read(call.message.max_output_response)
    return IoctlOutput(data, status)


def peek(call: IoctlCall) -> IoctlOutput:
    """Tell how much there is to read."""
    return IoctlOutput(PipePeekResponse(*_pipe(call).peek()).pack())


def wait(_call: IoctlCall) -> IoctlOutput:
    """Refuse: every open of a pipe makes an instance of its own, none is waited for.

    Raises:
        NTStatusError: STATUS_NOT_SUPPORTED.
    """
    raise NTStatusError(STATUS_NOT_SUPPORTED, "FSCTL_PIPE_WAIT")
