"""Regret against hindsight: a learner's rewards without the luck of the day.

With `h` the utility that the money left would still bring at the best scale of the plan's direction, all auctions to
come known, a slot's reward `u' - u` becomes `(u' + h') - (u + h)`: what the slot's bids lost against hindsight. The
reward is shaped by a potential (Ng, Harada, Russell, ICML 1999) that knows the day (Mao et al., ICLR 2019). Days do not
answer to bids, and `h` is fixed before the slot's action: with GAE's lambda 1 the policy gradient keeps its mean and
loses most of its variance; below 1 it keeps it as far as the critic is right, as ever. A day sums to
`REWARD_SCALE * ((score - u_hindsight) / u_plan - charge)`, the charge being that of missed constraints.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.slot import octave_bin

REWARD_SCALE = 32.0
"""Regrets are a few hundredths of a plan's utility: in this unit they are of the order of 1, as critics want them."""


_OCTAVES = 6  # value per price is told apart from 2 ** -6 to 2 ** 6 times the plan's least,
_BINS = 2 * _OCTAVES << 3  # in 8 bins to the octave
_SHIFT, _FIRST_BIN = 23 - 3, (127 - _OCTAVES) << 3  # of a float32's bits


class HindsightBaseline:
    """What the rest of each day of an episode would bring at the best scale of the plan's direction.

    Market prices are taken as paid, and constraints as not asked; that costs variance alone.
    """

    def __init__(self, episode: Episode) -> None:
        """Tabulate the days that `episode` has just begun."""
        self._episode = episode
        log, days = episode.market.log, episode.days
        self._rest = np.zeros((episode.slots + 1, episode.rows, _BINS + 1, 4), np.float32)
        _tabulate(
            log.market_price, log.exposure, log.interaction, log.conversion,
            log.true_exposure, log.true_interaction, log.true_conversion, log.segment, log.invalid,
            days.start, days.count, days.keep, days.price_scale, days.value_scale, days.calibration, days.invalid_share,
            episode.alpha.astype(np.float32), episode.multiplier.astype(np.float32), episode.beta.astype(np.float32),
            self._rest,
        )  # fmt: skip
        self._rows = np.arange(episode.rows)
        self.potential = self._potential()  # u + h, (B,) in plan utilities

    def change(self) -> NDArray[np.float64]:
        """What the slot just played changed of the potential (B,), in plan utilities."""
        before, self.potential = self.potential, self._potential()
        return self.potential - before

    def _potential(self) -> NDArray[np.float64]:
        e, rows = self._episode, self._rows
        rest = self._rest[e.t]  # (B, bins, 4): spend and KPI of all auctions at least as good as a bin's
        at = np.clip((rest[:, :, 0] <= e.left[:, None]).sum(axis=1), 1, _BINS)
        low, high = rest[rows, at - 1].astype(np.float64), rest[rows, at].astype(np.float64)
        rise = high[:, 0] - low[:, 0]
        part = np.divide(e.left - low[:, 0], rise, out=np.ones_like(rise), where=rise > 0)
        gain = low[:, 1:] + np.minimum(part, 1.0)[:, None] * (high[:, 1:] - low[:, 1:])
        c = e.campaigns
        return utility(e.kpi + gain, e.ideal, c.preference, c.kind) / e.plan_utility


@numba.njit(cache=True, error_model="numpy")
def _tabulate(  # type: ignore[no-untyped-def]
    market_price, exposure, interaction, conversion, true_exposure, true_interaction, true_conversion,
    segment, invalid, start, count, keep, price_scale, value_scale, calibration, invalid_share,
    alpha, multiplier, beta, rest,
):  # fmt: skip
    """Fill `rest` (T + 1, B, bins + 1, 4), cumulative over bins from the best down and over slots from the last back.

    Thinned and overlaid auctions count by their probability.
    """
    here = np.zeros((_BINS, 4), np.float32)
    total = np.zeros(4, np.float32)
    for b in range(count.shape[0]):
        for t in range(count.shape[1] - 1, -1, -1):
            here[:] = 0.0
            for i in range(start[b, t], start[b, t] + count[b, t]):
                s = segment[i]
                scale = value_scale[b, t, s]
                value = alpha[b, 0] * calibration[b, 0] * exposure[i]
                value += alpha[b, 1] * calibration[b, 1] * scale * interaction[i]
                value += alpha[b, 2] * calibration[b, 2] * scale * conversion[i]
                bid = multiplier[b, s] * value + beta[b, s]
                if bid <= 0.0:
                    continue
                price = market_price[i] * price_scale[b, t, s]
                k = _BINS - 1 - octave_bin(bid / price, _SHIFT, _FIRST_BIN, _BINS)
                weight = np.float32(1.0) if keep is None else keep[b, t, s]
                here[k, 0] += price * weight
                if not invalid[i]:
                    weight *= np.float32(1.0) - invalid_share[b, t]
                    here[k, 1] += true_exposure[i] * weight
                    here[k, 2] += true_interaction[i] * scale * weight
                    here[k, 3] += true_conversion[i] * scale * weight
            total[:] = 0.0
            for k in range(_BINS):
                for j in range(4):
                    total[j] += here[k, j]
                    rest[t, b, k + 1, j] = rest[t + 1, b, k + 1, j] + total[j]
