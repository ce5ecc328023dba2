"""PPO's hyperparameters, as data."""

from __future__ import annotations

from pydantic import Field

from bidpilot.agents.learners.common.config import Count, LearnerConfig


class PpoConfig(LearnerConfig):
    """PPO's hyperparameters."""

    group: Count = Field(
        8,
        description="Rows that play one day and campaign, whose mean advantage is taken off each one's; divides the "
        "rows. 1: every row plays a day of its own.",
    )

    def check_rows(self, name: str, rows: int) -> None:
        """As for every learner; and the rows must be whole groups.

        Raises:
            ValueError: they are not.
        """
        super().check_rows(name, rows)
        if rows % self.group:
            raise ValueError(
                f"rows = {rows} is no multiple of {name}.group = {self.group}: choose a group that divides the rows, "
                "1 for a day per row"
            )
