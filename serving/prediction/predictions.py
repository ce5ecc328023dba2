"""Who gives values to the impressions of a request that bring none: a predictor of one's own, else the built-in one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from bidpilot.bidding.bundle import Bundle
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.serving.calendar import Clock
from bidpilot.serving.messages import BidRequest, Imp, encode
from bidpilot.serving.prediction.asking import Asking
from bidpilot.serving.prediction.load import Predictor
from bidpilot.serving.prediction.parts import format_of
from bidpilot.serving.prediction.rates import BuiltIn, ForecastMeans, Rates, usual_segment
from bidpilot.serving.prediction.values import Predicted, Prediction, checked
from bidpilot.serving.prediction.view import RequestView, hour_of

_ENDLESS = 1e6  # seconds


class Predictions:
    """The predictors of one server.

    Args:
        bundle: finds the bundle that decides: its forecast stands in where there are no rates.
        clock: seconds since 1970.
        rates: the built-in predictor's; None: what the forecast expects.
        segment: name of the segment of impressions that do not say theirs; None: the one with most auctions.

    Raises:
        InvalidPredictor: there is no such segment.
    """

    def __init__(
        self, bundle: Callable[[], Bundle], clock: Clock, rates: Rates | None = None, segment: str | None = None
    ) -> None:
        self._bundle, self._clock, self._named = bundle, clock, segment
        self.rates = rates
        self.counts: Counter[str] = Counter()  # impressions, by who gave the values or why somebody did not
        self.own: Asking | None = None
        self._forecast: Forecast | None = None
        self._follow()

    def ask_first(self, predictor: Predictor, limit: float, told: Callable[[str], None]) -> None:
        """From now on ask a predictor before the built-in one; `limit` in seconds, `told` hears when it rests."""

        def check(view: RequestView, returned: object) -> Predicted:
            ids = [imp.id for imp in view.impressions]
            return checked(returned, ids, self._segments, self._usual, self.counts)

        self.own = Asking(predictor, check, limit, told, self.counts)

    async def ask(self, request: BidRequest, raw: bytes | None, seconds: float) -> Predicted:
        """What one's own predictor says of a request's impressions within so much time; the loop goes on meanwhile.

        Args:
            raw: its JSON; None: what was decoded of it.
        """
        own, wanted = self.own, _wanting(request)
        if own is None or not wanted:
            return {}
        return await own.ask(self._view(request, raw, wanted), len(wanted), min(seconds, _ENDLESS))

    def wait(self, request: BidRequest, seconds: float) -> Predicted:
        """As `ask`, for a caller without a loop, which waits."""
        own, wanted = self.own, _wanting(request)
        if own is None or not wanted:
            return {}
        return own.wait(self._view(request, None, wanted), len(wanted), min(seconds, _ENDLESS))

    def of(self, imp: Imp, source: int, told: Predicted) -> Prediction | None:
        """The values of one impression, by what was `told`, else by the built-in predictor; None: not to be bid on."""
        if imp.id in told:
            self.counts["own"] += 1
            return told[imp.id]
        if self._bundle().forecast is not self._forecast:
            self._follow()
        self.counts["built_in"] += 1
        return Prediction(self._built_in(source, format_of(imp), hour_of(self._clock())), self._usual)

    def renew(self, rates: Rates) -> None:
        """Let other rates hold from now on."""
        self.rates = rates
        self._follow()

    def _follow(self) -> None:
        """Be the built-in predictor of the rates, or of the bundle that decides now."""
        bundle = self._bundle()
        forecast = bundle.forecast
        self._usual = usual_segment(forecast, self._named)
        self._segments = {name: place for place, name in enumerate(forecast.segments)}
        worth = bundle.manifest.campaign.conversion_value
        self._built_in: BuiltIn = self.rates or ForecastMeans(forecast, self._usual, worth)
        self._forecast = forecast

    def _view(self, request: BidRequest, raw: bytes | None, wanted: Sequence[str]) -> RequestView:
        return RequestView(encode(request) if raw is None else raw, request, wanted, self._clock())

    def close(self) -> None:
        """Ask nobody any more."""
        if self.own is not None:
            self.own.close()


def _wanting(request: BidRequest) -> list[str]:
    """The ids of impressions that bring no values, each once."""
    return list(dict.fromkeys(imp.id for imp in request.imp if imp.ext is None or imp.ext.bidpilot is None))
