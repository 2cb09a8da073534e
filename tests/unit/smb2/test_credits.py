"""The message id window against a model that simply keeps sets."""

from hypothesis import given
from hypothesis import strategies as st

from smbd.smb2.credits import credits_needed
from smbd.wire.constants import SMB2_ECHO, SMB2_NEGOTIATE, SMB2_SESSION_SETUP
from smbd.xsrv.credits import CreditWindow
from vfs.ntstatus import STATUS_MORE_PROCESSING_REQUIRED, STATUS_SUCCESS


def test_a_new_connection_may_send_one_request():
    window = CreditWindow(8192)
    assert not window.take(1, 1)
    assert window.take(0, 1)
    assert not window.take(0, 1)
    assert not window.take(1, 1)


def test_what_was_charged_comes_back_with_what_was_asked_for():
    window = CreditWindow(8192)
    assert window.take(0, 1)
    assert window.grant(SMB2_ECHO, STATUS_SUCCESS, 10, 1) == 10
    assert window.take(1, 4)
    assert window.grant(SMB2_ECHO, STATUS_SUCCESS, 1, 4) == 4


def test_a_stranger_gets_back_only_what_it_used():
    window = CreditWindow(8192)
    window.take(0, 1)
    assert window.grant(SMB2_NEGOTIATE, STATUS_SUCCESS, 500, 1) == 1
    window.take(1, 1)
    assert window.grant(SMB2_SESSION_SETUP, STATUS_MORE_PROCESSING_REQUIRED, 500, 1) == 1
    window.take(2, 1)
    assert window.grant(SMB2_SESSION_SETUP, STATUS_SUCCESS, 500, 1) == 500


def test_a_client_that_asks_for_nothing_keeps_one_credit():
    window = CreditWindow(8192)
    window.take(0, 1)
    assert window.grant(SMB2_ECHO, STATUS_SUCCESS, 0, 1) == 1
    assert window.take(1, 1)


def test_the_window_never_spans_more_than_the_maximum():
    window = CreditWindow(16)
    window.take(0, 1)
    assert window.grant(SMB2_ECHO, STATUS_SUCCESS, 1000, 1) == 16
    # Id 1 stays unused: whatever is asked for, nothing beyond id 16 becomes valid.
    for message_id in range(2, 17):
        assert window.take(message_id, 1)
        assert window.grant(SMB2_ECHO, STATUS_SUCCESS, 8, 1) == 0
    assert not window.take(17, 1)
    assert window.take(1, 1)
    assert window.low == 17


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 6), st.integers(0, 12)),
        max_size=60,
    )
)
def test_window_equals_model(steps):
    window = CreditWindow(20)
    granted, used = {0}, set()
    for message_id, charge, asked in steps:
        ids = set(range(message_id, message_id + charge))
        expected = ids <= granted - used
        assert window.take(message_id, charge) == expected
        if not expected:
            continue
        used |= ids
        number = window.grant(SMB2_ECHO, STATUS_SUCCESS, asked, charge)
        top = max(granted)
        granted |= set(range(top + 1, top + 1 + number))
        lowest = min(granted - used, default=max(granted) + 1)
        assert window.low == lowest
        assert max(granted) - lowest < 20
        assert granted - used, "a client without a credit could never ask again"


def test_credits_for_a_payload():
    assert [credits_needed(n) for n in (0, 1, 65536, 65537, 131072, 131073, 8 << 20)] == [1, 1, 1, 2, 2, 3, 128]
