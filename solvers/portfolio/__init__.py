"""Portfolio: one owner's budget over campaigns, channels and days, rolling, that never bids against itself."""

from bidpilot.solvers.portfolio.assign import Assignment, assign
from bidpilot.solvers.portfolio.config import Portfolio, PortfolioCampaign, Risk
from bidpilot.solvers.portfolio.plan import PortfolioPlan, PortfolioRule
from bidpilot.solvers.portfolio.replay import DayReplay, replay_day
from bidpilot.solvers.portfolio.solve import horizon_ideal, roll, solve_portfolio

__all__ = [
    "Assignment",
    "DayReplay",
    "Portfolio",
    "PortfolioCampaign",
    "PortfolioPlan",
    "PortfolioRule",
    "Risk",
    "assign",
    "horizon_ideal",
    "replay_day",
    "roll",
    "solve_portfolio",
]
