"""The champion is fetched from the registry, is the bundle that was exported, and bids."""

from __future__ import annotations

from tests.loop.exchange import cluster
from tests.loop.registry import champion
from tests.loop.room import Room
from tests.loop.source import MICRO
from tests.loop.steps.export import SEGMENTS, read_manifest
from tests.loop.steps.serve import CAMPAIGN
from tests.serving.served import Served, imp, only_bid, request


def run(room: Room) -> None:
    """Fetch the champion, serve it, and get one bid for each segment."""
    room.bidpilot("export", "models:/bidpilot@champion", "--out", "bundles/champion")
    name = {"1": "first", "2": "second"}[champion(room)]
    fetched, exported = (read_manifest(room.path(f"bundles/{which}")) for which in ("champion", name))
    room.same("registry -> bundle: what was exported", fetched, exported)
    # by hand, so that no slot ends between a question and its bid
    with Served(room.path("bundles/champion"), room.path("champion-state"), "--clock", "manual") as server:
        with server.client() as client, server.administrator() as admin:
            room.same("bundle -> server: ready", client.send("GET", "/ready")[0], 200)
            for segment in SEGMENTS:
                asked = imp(conversion=0.01, segment=segment, source=cluster("pub-0"))
                _, parts = admin.send("POST", "/admin/explain", request(asked))
                offered = round(parts["1"][CAMPAIGN]["offered"] * MICRO)
                bid = round(only_bid(client.bid(asked)[1])["price"] * 1000)
                room.holds("server -> bid: above zero", bid > 0, f"{segment}: {bid}")
                room.same("server -> bid: as explained", (segment, bid), (segment, offered))
        room.same("server: a clean end", server.stop(), 0)
