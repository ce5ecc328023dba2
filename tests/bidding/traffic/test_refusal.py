"""Reason codes are read by others: they stay as they are."""

from __future__ import annotations

from bidpilot.bidding.traffic.refusal import Refusal


def test_reason_codes_are_those_that_logs_hold() -> None:
    assert [why.value for why in Refusal] == [
        "refused_source",
        "refused_quota",
        "givt_address",
        "givt_agent",
        "givt_app",
        "givt_site",
        "givt_chain",
        "givt_seller",
    ]
