"""The policy bundle at run time: pilot, bidder, OpenRTB server, budget ledger, guardrails."""
