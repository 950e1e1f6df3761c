"""Every transport fault of the table has one function."""

from __future__ import annotations

from mockhub.faults.types import RESPONSE_FAULTS, TRANSPORT_FAULTS
from mockhub.web.fault_injection import REQUEST_FUNCTIONS, RESPONSE_FUNCTIONS


def test_every_transport_fault_has_one_function() -> None:
    assert sorted([*REQUEST_FUNCTIONS, *RESPONSE_FUNCTIONS]) == sorted(TRANSPORT_FAULTS)
    assert RESPONSE_FUNCTIONS.keys() == RESPONSE_FAULTS
