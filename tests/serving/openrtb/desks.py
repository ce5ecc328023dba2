"""A bid server in this process whose one campaign is what a case says, and what it answers."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import ExchangeApp
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.server import applications
from tests.serving.doors import Given
from tests.serving.openrtb.schema import BidResponse

HERE = Path(__file__).parent
CREATIVES: dict[str, Any] = json.loads((HERE / "creatives.json").read_text())
NOW = 20_000 * DAY  # 4 October 2024
URL = "http://127.0.0.1"


class Answer:
    """What came back: status, bids, and what was counted as the reason of none."""

    def __init__(self, status: int, body: bytes, reasons: Counter[str]) -> None:
        self.status, self.reasons = status, reasons
        self.whole = json.loads(body) if body else {}
        if status == 200:
            BidResponse.model_validate(self.whole)  # every answer is one of the specification's
        self.bids = [bid for seat in self.whole.get("seatbid", ()) for bid in seat["bid"]]


class Desks:
    """One server for each configuration."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self._bundle, self._folder = bundle, folder
        self._open = ExitStack()
        self._apps: dict[str, ExchangeApp] = {}

    def app(self, config: dict[str, Any]) -> ExchangeApp:
        """The server of a configuration."""
        key = json.dumps(config, sort_keys=True, default=str)
        if key not in self._apps:
            state = self._folder / str(len(self._apps))
            state.mkdir()
            given = dict(config)
            url = given.pop("url", URL)
            if "rates" in given:
                (state / "rates.json").write_text(json.dumps(given["rates"]))
                given["rates"] = state / "rates.json"
            settings = ServeConfig(
                bundle=self._bundle, state=state, budget=1e5, guardrails=GuardrailConfig(slot_share=1.0), **given
            )
            bidder = self._open.enter_context(open_bidder(settings, ManualClock(NOW)))
            self._apps[key] = applications(bidder, settings, url)[0]
        return self._apps[key]

    def ask(self, app: ExchangeApp, campaign: dict[str, Any], request: Any, lost: bool = True) -> Answer:
        """What a campaign's bidder answers; its bids are `lost` at once, so that the next has all the money."""
        bidder = app.bidder
        before = bidder.served["default"].campaign
        told = campaign | {"creatives": [CREATIVES[name] for name in campaign.get("creatives", ())]}
        bidder.put(ServedCampaign.model_validate(told | {"name": "default", "campaign": before}))
        body = request if isinstance(request, bytes) else json.dumps(request).encode()

        async def read(most: int, seconds: float) -> bytes:
            return body

        counted = Counter(bidder.reasons) + Counter(app.metrics.refused)
        response = asyncio.run(app(Given("POST", "/openrtb2/bid", "", None, read)))
        reasons = Counter(bidder.reasons) + Counter(app.metrics.refused) - counted
        answer = Answer(response.status, response.body, reasons)
        for bid in answer.bids if lost else ():
            self.notice(app, bid["lurl"])
        return answer

    def notice(self, app: ExchangeApp, url: str) -> int:
        """Call a notice's address."""
        path, _, query = url.partition("/notice/")[2].partition("?")

        async def read(most: int, seconds: float) -> bytes:
            return b""

        return asyncio.run(app(Given("GET", f"/notice/{path}", query, None, read))).status

    def close(self) -> None:
        """Stop all."""
        self._open.close()


def opened(bundle: Path, folder: Path) -> Iterator[Desks]:
    """Desks for the tests of a module."""
    desks = Desks(bundle, folder)
    yield desks
    desks.close()
