"""What an experiment's rows of the decision log are to be read by: arms, shares, and of which run each bundle is."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bidpilot.bidding.bundle import Bundle
from bidpilot.serving.experiments.file import ExperimentFile, arm_campaign


def described(file: ExperimentFile, bundles: Mapping[str, Bundle]) -> tuple[str, str]:
    """Name and text of the file beside the log; `bundles` by arm."""
    arms = [
        {
            "name": arm.name,
            "share": arm.share,
            "campaigns": [arm_campaign(campaign, arm.name) for campaign in file.campaigns],
            "run": bundles[arm.name].manifest.origin.run_id,
            "agent": bundles[arm.name].manifest.agent.name,
            "digest": bundles[arm.name].digest,
        }
        for arm in file.arms
    ]
    return f"experiment-{file.name}.json", json.dumps(
        {"name": file.name, "control": file.control, "arms": arms}, indent=1
    )
