"""Quotas, with a kernel that is made up: what quotactl_fd is asked and what becomes of its answers."""

from __future__ import annotations

import ctypes
import errno

import pytest

from smbd.smb2 import quota as smb2_quota
from smbd.wire.fscc.quota import QueryQuotaInfo, QuotaInformation, pack_quotas, unpack_quotas
from tests.unit.vfs_fsa.support import USER, Share
from vfs import ntstatus as nt
from vfs.constants import FILE_DELETE_ON_CLOSE, FILE_OVERWRITE_IF
from vfs.fsa import quota
from vfs.ntstatus import NTStatusError
from vfs.posix import quota as posix_quota
from vfs.sid import SID_BUILTIN_ADMINISTRATORS, unix_user_sid
from vfs.token import SecurityToken

QUOTA_FILE = r"$Extend\$QUOTA:$Q:$INDEX_ALLOCATION"
ADMINISTRATOR = SecurityToken(USER, (SID_BUILTIN_ADMINISTRATORS,), uid=0, gid=0)
NOBODY = SecurityToken(USER, uid=65534, gid=65534)
NO_LIMIT = quota.NO_LIMIT


class Kernel:
    """Keeps quotas by uid: used bytes, soft and hard limit in KiB."""

    def __init__(self) -> None:
        self.users = {0: (4096, 0, 0), 1000: (5000, 10, 20), 1001: (0, 0, 7)}
        self.code = 0

    def __call__(self, number, _fd, command, uid, buffer) -> int:
        assert number == 443
        assert command & 0xFF == 0
        if self.code:
            ctypes.set_errno(self.code)
            return -1
        command >>= 8
        layout = posix_quota._DQBLK
        if command == 0x800008:
            hard, soft, *_, valid, _ = layout.unpack(buffer.raw)
            assert valid == 1
            self.users[uid] = (self.users.get(uid, (0,))[0], soft, hard)
            return 0
        if command == 0x800009:
            later = [one for one in self.users if one >= uid]
            if not later:
                ctypes.set_errno(errno.ENOENT)
                return -1
            uid = min(later)
        used, soft, hard = self.users.get(uid, (0, 0, 0))
        buffer[: layout.size] = layout.pack(hard, soft, used, 0, 0, 0, 0, 0, 0, uid)
        return 0


@pytest.fixture
def kernel(monkeypatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(posix_quota, "_syscall", made)
    return made


@pytest.fixture
def file(share: Share):
    return share.open(QUOTA_FILE, 0x1F01FF, token=ADMINISTRATOR)


def asked(file, *, room: int = 65536, **what) -> list[tuple[int, int, int, int]]:
    data = smb2_quota.query(file, QueryQuotaInfo(**what).pack(), room)
    return [
        (file.volume.id_map.sid_to_uid(smb2_quota._sid(one.sid)), one.quota_used, one.quota_threshold, one.quota_limit)
        for one in unpack_quotas(data)
    ]


ROOT_QUOTA = (0, 4096, NO_LIMIT, NO_LIMIT)
USER_QUOTA = (1000, 5000, 10 << 10, 20 << 10)
LAST_QUOTA = (1001, 0, NO_LIMIT, 7 << 10)


def test_everybodys(kernel, file) -> None:
    assert asked(file, restart_scan=True) == [ROOT_QUOTA, USER_QUOTA, LAST_QUOTA]
    with pytest.raises(NTStatusError) as caught:
        asked(file)
    assert caught.value.status == nt.STATUS_NO_MORE_ENTRIES


def test_one_at_a_time_and_what_there_is_room_for(kernel, file) -> None:
    assert asked(file, return_single=True) == [ROOT_QUOTA]
    assert asked(file, room=60) == [USER_QUOTA]
    assert asked(file) == [LAST_QUOTA]
    with pytest.raises(NTStatusError) as caught:
        asked(file, restart_scan=True, room=20)
    assert caught.value.status == nt.STATUS_BUFFER_TOO_SMALL


def test_of_some(kernel, file) -> None:
    assert asked(file, sids=[unix_user_sid(1001), SID_BUILTIN_ADMINISTRATORS]) == [LAST_QUOTA]
    assert asked(file, start_sid=unix_user_sid(1000)) == [USER_QUOTA, LAST_QUOTA]


def test_limits_are_set_and_taken_away(kernel, file) -> None:
    sid = unix_user_sid(1000)
    smb2_quota.set_limits(file, pack_quotas([QuotaInformation(sid, 0, 0, 3000, 1 << 40)]))
    assert kernel.users[1000] == (5000, 3, 1 << 30)
    smb2_quota.set_limits(file, pack_quotas([QuotaInformation(sid, 0, 0, NO_LIMIT, NO_LIMIT - 1)]))
    assert kernel.users[1000] == (5000, 0, 0)


def test_a_file_system_without_quotas(kernel, file) -> None:
    kernel.code = errno.ESRCH
    assert not quota.are_kept(file)
    for action in (lambda: asked(file), lambda: asked(file, sids=[unix_user_sid(0)])):
        with pytest.raises(NTStatusError) as caught:
            action()
        assert caught.value.status == nt.STATUS_NOT_SUPPORTED
    kernel.code = errno.EIO
    with pytest.raises(NTStatusError) as caught:
        asked(file)
    assert caught.value.status == nt.STATUS_IO_DEVICE_ERROR


def test_only_for_administrators(kernel, share: Share) -> None:
    refused = [
        (QUOTA_FILE, {"token": NOBODY}),
        (QUOTA_FILE, {"token": ADMINISTRATOR, "disposition": FILE_OVERWRITE_IF}),
        (QUOTA_FILE, {"token": ADMINISTRATOR, "options": FILE_DELETE_ON_CLOSE}),
    ]
    for name, options in refused:
        with pytest.raises(NTStatusError) as caught:
            share.open(name, **options)
        assert caught.value.status == nt.STATUS_ACCESS_DENIED
    root = share.open("", token=NOBODY, access=0x80)
    with pytest.raises(NTStatusError) as caught:
        asked(root)
    assert caught.value.status == nt.STATUS_ACCESS_DENIED


@pytest.mark.parametrize("data", [b"", bytes(15), QueryQuotaInfo(start_sid=b"x" * 12).pack()])
def test_a_malformed_query(kernel, file, data: bytes) -> None:
    with pytest.raises(NTStatusError) as caught:
        smb2_quota.query(file, data, 65536)
    assert caught.value.status == nt.STATUS_INVALID_PARAMETER
