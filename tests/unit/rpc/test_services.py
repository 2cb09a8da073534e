"""The services, asked by impacket: its NDR is not ours."""

from __future__ import annotations

import time
from typing import Any

import pytest
from impacket.dcerpc.v5 import lsad, lsat, srvs, wkst
from impacket.dcerpc.v5.dtypes import MAXIMUM_ALLOWED, NULL, RPC_UNICODE_STRING
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.uuid import uuidtup_to_bin

from messaging.server_id import ServerId
from smbd.rpc import open_pipe
from smbd.rpc.srvsvc.server import SERVER_TYPE
from smbd.xsrv.records import ChannelGlobal, SessionGlobal, TconGlobal
from tests.unit.rpc.environment import USER, Environment
from vfs.ntstatus import STATUS_OBJECT_NAME_NOT_FOUND, NTStatusError

LISTED = ["tmp", "admin$", "cached", "IPC$", USER]


def text(value: str) -> str:
    return value.rstrip("\0")


@pytest.fixture
def srvsvc(rpc: Environment) -> Any:
    return rpc.client("srvsvc", srvs.MSRPC_UUID_SRVS)


@pytest.fixture
def admin(rpc: Environment) -> Any:
    return rpc.client("srvsvc", srvs.MSRPC_UUID_SRVS, rpc.session(administrator=True))


@pytest.fixture
def lsarpc(rpc: Environment) -> Any:
    return rpc.client("lsass", lsat.MSRPC_UUID_LSAT, fragment=64)


@pytest.fixture
def policy(lsarpc: Any) -> Any:
    return lsad.hLsarOpenPolicy2(lsarpc, MAXIMUM_ALLOWED)["PolicyHandle"]


def test_unknown_pipe(rpc: Environment) -> None:
    with pytest.raises(NTStatusError) as caught:
        open_pipe("winreg", rpc.context, rpc.session())
    assert caught.value.status == STATUS_OBJECT_NAME_NOT_FOUND


@pytest.mark.parametrize("level", [0, 1, 2, 501, 502, 503])
def test_share_enum(srvsvc: Any, level: int) -> None:
    shares = srvs.hNetrShareEnum(srvsvc, level)["InfoStruct"]["ShareInfo"][f"Level{level}"]["Buffer"]
    assert [text(share[f"shi{level}_netname"]) for share in shares] == LISTED


def test_share_enum_sticky_leaves_out_hidden_names(srvsvc: Any) -> None:
    shares = srvs.hNetrShareEnumSticky(srvsvc, 1)["InfoStruct"]["ShareInfo"]["Level1"]["Buffer"]
    assert [text(share["shi1_netname"]) for share in shares] == ["tmp", "cached", USER]


def test_share_enum_goes_on_behind_the_resume_handle(srvsvc: Any) -> None:
    answer = srvs.hNetrShareEnum(srvsvc, 1, resumeHandle=3)
    shares = answer["InfoStruct"]["ShareInfo"]["Level1"]["Buffer"]
    assert [text(share["shi1_netname"]) for share in shares] == LISTED[3:]
    assert (answer["TotalEntries"], answer["ResumeHandle"]) == (2, 0)
    assert (shares[0]["shi1_type"], text(shares[0]["shi1_remark"])) == (0x80000003, "IPC Service (a test)")


def test_guests_have_no_home(rpc: Environment) -> None:
    client = rpc.client("srvsvc", srvs.MSRPC_UUID_SRVS, rpc.session(is_guest=True))
    shares = srvs.hNetrShareEnum(client, 0)["InfoStruct"]["ShareInfo"]["Level0"]["Buffer"]
    assert [text(share["shi0_netname"]) for share in shares] == LISTED[:-1]


@pytest.mark.parametrize("level", [0, 1, 2, 501, 502])
def test_share_get_info_finds_what_no_listing_shows(srvsvc: Any, level: int) -> None:
    info = srvs.hNetrShareGetInfo(srvsvc, "HIDDEN\0", level)["InfoStruct"][f"ShareInfo{level}"]
    assert text(info[f"shi{level}_netname"]) == "hidden"


def test_share_details(srvsvc: Any) -> None:
    info = srvs.hNetrShareGetInfo(srvsvc, "admin$\0", 2)["InfoStruct"]["ShareInfo2"]
    assert (info["shi2_max_uses"], text(info["shi2_path"])) == (7, "C:\\srv\\admin")
    info = srvs.hNetrShareGetInfo(srvsvc, "tmp\0", 1)["InfoStruct"]["ShareInfo1"]
    assert text(info["shi1_remark"]) == f"for {USER}"
    info = srvs.hNetrShareGetInfo(srvsvc, "cached\0", 1005)["InfoStruct"]["ShareInfo1005"]
    assert info["shi1005_flags"] == 0x820


def test_share_get_info_of_nothing(srvsvc: Any) -> None:
    with pytest.raises(DCERPCException, match="ERROR_INVALID_NAME"):
        srvs.hNetrShareGetInfo(srvsvc, "nosuch\0", 1)


def test_server_get_info(srvsvc: Any) -> None:
    for level in (100, 101, 102):
        info = srvs.hNetrServerGetInfo(srvsvc, level)["InfoStruct"][f"ServerInfo{level}"]
        assert text(info[f"sv{level}_name"]) == "ANCHOR"
        assert info[f"sv{level}_platform_id"] == 500
    assert (info["sv102_version_major"], info["sv102_version_minor"], info["sv102_type"]) == (6, 1, SERVER_TYPE)
    with pytest.raises(DCERPCException, match="ERROR_INVALID_LEVEL"):
        srvs.hNetrServerGetInfo(srvsvc, 7)


def test_disks_are_for_administrators(srvsvc: Any, admin: Any) -> None:
    disks = srvs.hNetrServerDiskEnum(admin, 0)["DiskInfoStruct"]
    assert disks["EntriesRead"] == 1
    with pytest.raises(DCERPCException, match="access_denied"):
        srvs.hNetrServerDiskEnum(srvsvc, 0)


def test_remote_tod(srvsvc: Any) -> None:
    before = int(time.time())
    info = srvs.hNetrRemoteTOD(srvsvc)["BufferPtr"]
    assert before <= info["tod_elapsedt"] <= time.time()
    assert info["tod_year"] == time.gmtime(before).tm_year


@pytest.mark.parametrize(
    ("name", "flags", "error"),
    [
        ("tmp", 0, ""),
        ("x" * 80, 0, ""),
        ("x" * 81, 0, "INVALID_NAME"),
        ("x" * 13, 0x80000000, "INVALID_NAME"),
        ("a:b", 0, "INVALID_NAME"),
        ("tmp", 5, "INVALID_PARAMETER"),
    ],
)
def test_names_of_shares(srvsvc: Any, name: str, flags: int, error: str) -> None:
    request = srvs.NetrNameValidate() if hasattr(srvs, "NetrNameValidate") else srvs.NetprNameValidate()
    request["ServerName"] = NULL
    request["Name"] = name + "\0"
    request["NameType"] = 9
    request["Flags"] = flags
    if not error:
        assert srvsvc.request(request)["ErrorCode"] == 0
        return
    with pytest.raises(DCERPCException, match=error):
        srvsvc.request(request)


def test_usage_is_for_administrators(srvsvc: Any) -> None:
    for ask in (
        lambda: srvs.hNetrSessionEnum(srvsvc, NULL, NULL, 10),
        lambda: srvs.hNetrConnectionEnum(srvsvc, "tmp\0", 1),
        lambda: srvs.hNetrFileEnum(srvsvc, NULL, NULL, 3),
    ):
        with pytest.raises(DCERPCException, match="access_denied"):
            ask()


def test_usage_comes_out_of_the_databases(rpc: Environment, admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    databases = rpc.context.databases
    monkeypatch.setattr(databases, "is_alive", lambda server_id: server_id.pid == 1)
    for pid in (1, 2):
        owner = ServerId(pid)
        channel = ChannelGlobal(owner, "", "", "client", 0, 0x311, 0, 0)
        session = SessionGlobal(
            pid, pid, time.time_ns(), 0, 0, 0, 0, "alice", "ANCHOR", "", False, False, True, "", "", [channel]
        )
        databases.sessions.store(pid, session)
        databases.tcons.store(pid, TconGlobal(pid, 1, owner, pid, "tmp", time.time_ns(), "", ""))
    for level in (0, 1, 2, 10, 502):
        rows = srvs.hNetrSessionEnum(admin, NULL, NULL, level)["InfoStruct"]["SessionInfo"][f"Level{level}"]["Buffer"]
        assert [text(row[f"sesi{level}_cname"]) for row in rows] == ["client"]
    assert not srvs.hNetrSessionEnum(admin, NULL, "bob\0", 0)["TotalEntries"]
    for qualifier, count in (("TMP\0", 1), ("\\\\client\0", 1), ("other\0", 0)):
        assert srvs.hNetrConnectionEnum(admin, qualifier, 1)["TotalEntries"] == count
    assert srvs.hNetrFileEnum(admin, NULL, NULL, 3)["TotalEntries"] == 0
    assert srvs.hNetrShareGetInfo(admin, "tmp\0", 2)["InfoStruct"]["ShareInfo2"]["shi2_current_uses"] == 2


def test_workstation(rpc: Environment) -> None:
    client = rpc.client("wkssvc", wkst.MSRPC_UUID_WKST)
    for level in (100, 101):
        info = wkst.hNetrWkstaGetInfo(client, level)["WkstaInfo"][f"WkstaInfo{level}"]
        assert text(info[f"wki{level}_langroup"]) == "TEST"
    with pytest.raises(DCERPCException, match="access_denied"):
        wkst.hNetrWkstaGetInfo(client, 102)
    with pytest.raises(DCERPCException, match="access_denied"):
        wkst.hNetrWkstaUserEnum(client, 1)


def test_policy_information(rpc: Environment, lsarpc: Any, policy: Any) -> None:
    account = lsad.hLsarQueryInformationPolicy2(lsarpc, policy, 5)["PolicyInformation"]["PolicyAccountDomainInfo"]
    assert account["DomainName"] == "ANCHOR"
    assert account["DomainSid"].formatCanonical() == str(rpc.domain_sid)
    primary = lsad.hLsarQueryInformationPolicy(lsarpc, policy, 3)["PolicyInformation"]["PolicyPrimaryDomainInfo"]
    assert primary["Name"] == "TEST"
    role = lsad.hLsarQueryInformationPolicy(lsarpc, policy, 6)["PolicyInformation"]["PolicyServerRoleInfo"]
    assert role["LsaServerRole"] == 3
    dns = lsad.hLsarQueryInformationPolicy2(lsarpc, policy, 12)["PolicyInformation"]["PolicyDnsDomainInfo"]
    assert dns["Name"] == "TEST"


def test_handles_end_with_close(lsarpc: Any, policy: Any) -> None:
    lsad.hLsarClose(lsarpc, policy)
    with pytest.raises(DCERPCException, match="context_mismatch"):
        lsad.hLsarClose(lsarpc, policy)


def test_access_to_the_policy_object(lsarpc: Any) -> None:
    with pytest.raises(DCERPCException, match="STATUS_ACCESS_DENIED"):
        lsad.hLsarOpenPolicy2(lsarpc, lsad.POLICY_CREATE_ACCOUNT)
    narrow = lsad.hLsarOpenPolicy2(lsarpc, lsad.POLICY_VIEW_LOCAL_INFORMATION)["PolicyHandle"]
    with pytest.raises(DCERPCException, match="STATUS_ACCESS_DENIED"):
        lsat.hLsarLookupNames(lsarpc, narrow, ["Everyone"])


def test_lookup_sids(rpc: Environment, lsarpc: Any, policy: Any) -> None:
    sids = [str(rpc.user_sid), "S-1-1-0", "S-1-5-32-544", str(rpc.domain_sid)]
    for lookup in (lsat.hLsarLookupSids, lsat.hLsarLookupSids2):
        answer = lookup(lsarpc, policy, sids, lookupLevel=lsat.LSAP_LOOKUP_LEVEL.LsapLookupWksta)
        names = answer["TranslatedNames"]["Names"]
        assert [(one["Use"], one["DomainIndex"]) for one in names] == [(1, 0), (5, 1), (4, 2), (3, 0)]
        assert [one["Name"] for one in names[:3]] == [USER, "Everyone", "Administrators"]
        assert answer["ReferencedDomains"]["Domains"][0]["Name"] == "ANCHOR"
        assert answer["MappedCount"] == 4


def test_unknown_sids_are_said_to_be_so(rpc: Environment, lsarpc: Any, policy: Any) -> None:
    sids = ["S-1-1-0", str(rpc.domain_sid.child(0x1F40)), "S-1-5-21-1-2-3-4"]
    with pytest.raises(DCERPCException) as caught:
        lsat.hLsarLookupSids(lsarpc, policy, sids, lsat.LSAP_LOOKUP_LEVEL.LsapLookupWksta)
    answer = caught.value.get_packet()
    assert answer["ErrorCode"] == 0x107
    names = answer["TranslatedNames"]["Names"]
    assert [one["Name"] for one in names] == ["Everyone", "00001F40", "S-1-5-21-1-2-3-4"]
    assert [one["DomainIndex"] for one in names] == [0, 1, -1]


def test_lookup_names(rpc: Environment, lsarpc: Any, policy: Any) -> None:
    names = [USER, "ANCHOR", "BUILTIN\\Administrators"]
    for lookup in (lsat.hLsarLookupNames, lsat.hLsarLookupNames2):
        answer = lookup(lsarpc, policy, names)
        rows = [(one["Use"], one["RelativeId"], one["DomainIndex"]) for one in answer["TranslatedSids"]["Sids"]]
        assert rows == [(1, 1000, 0), (3, 0xFFFFFFFF, 0), (4, 544, 1)]
    sids = lsat.hLsarLookupNames3(lsarpc, policy, names)["TranslatedSids"]["Sids"]
    assert [one["Sid"].formatCanonical() for one in sids] == [str(rpc.user_sid), str(rpc.domain_sid), "S-1-5-32-544"]
    with pytest.raises(DCERPCException, match="NONE_MAPPED"):
        lsat.hLsarLookupNames(lsarpc, policy, ["no such name"])
    with pytest.raises(DCERPCException, match="access_denied"):
        lsat.hLsarLookupNames4(lsarpc, names)


def test_no_name_is_the_builtin_domain(lsarpc: Any, policy: Any) -> None:
    request = lsat.LsarLookupNames()
    nothing = RPC_UNICODE_STRING()
    nothing["Data"] = NULL
    request["PolicyHandle"] = policy
    request["Count"] = 1
    request["Names"].append(nothing)
    request["TranslatedSids"]["Sids"] = NULL
    request["LookupLevel"] = lsat.LSAP_LOOKUP_LEVEL.LsapLookupWksta
    answer = lsarpc.request(request)
    assert answer["ReferencedDomains"]["Domains"][0]["Sid"].formatCanonical() == "S-1-5-32"


def test_get_user_name(rpc: Environment, lsarpc: Any) -> None:
    assert lsat.hLsarGetUserName(lsarpc)["UserName"] == USER
    nobody = rpc.client("lsarpc", lsat.MSRPC_UUID_LSAT, rpc.session(is_anonymous=True))
    assert lsat.hLsarGetUserName(nobody)["UserName"] == "ANONYMOUS LOGON"


@pytest.mark.parametrize("level", [1, 2, 3])
def test_domain_membership(rpc: Environment, level: int) -> None:
    interface = ("3919286a-b10c-11d0-9ba8-00c04fd92ef5", "0.0")
    client = rpc.client("lsarpc", uuidtup_to_bin(interface))
    client.call(0, level.to_bytes(2, "little"))
    answer = client.recv()
    assert answer[4] == level
    assert answer[-4:] == bytes(4)
    assert ("TEST\0".encode("utf-16-le") in answer) == (level == 1)
    client.call(0, b"\7\0")
    assert client.recv() == bytes(4) + (87).to_bytes(4, "little")
