"""The control page in a real browser: what a person sees and orders, and what cannot be slipped in or out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect, sync_playwright

from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.incidents.incident import Level, Target
from bidpilot.serving.page.kept import Kept
from bidpilot.serving.page.operations import Grid
from tests.serving.conftest import write_controller_bundle
from tests.serving.page.board import TOKENS, Board, Desk, heat_map, in_memory, incident, matrix

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")
DIRECTOR, READER = TOKENS["ada"][0], TOKENS["rita"][0]
EVIL = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


@dataclass
class Seen:
    """What a page did besides what it shows."""

    page: Page
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def board(bundle_folder: Path) -> Iterator[Board]:
    with in_memory() as folder:
        shadow = write_controller_bundle(folder / "shadow", "adaptive")
        with Board(folder, bundle_folder, shadow, slots=3, every=4) as made:
            yield made


@pytest.fixture(autouse=True)
def as_before(board: Board) -> Iterator[None]:
    yield
    board.page.watch(Kept(board.bidder))
    board.do(lambda: board.bidder.kill(False))


@pytest.fixture(scope="module")
def contexts() -> Iterator[Callable[[int, str], BrowserContext]]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield lambda width, scheme: browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,  # type: ignore[arg-type]
        )
        browser.close()


@pytest.fixture
def look(board: Board, contexts: Callable[[int, str], BrowserContext]) -> Iterator[Callable[..., Seen]]:
    """Opens the page with a token; whatever leaves for another host is stopped and noted, and so are errors."""
    opened: list[tuple[BrowserContext, Seen]] = []

    def make(token: str | None = DIRECTOR, width: int = 1280, scheme: str = "light") -> Seen:
        context = contexts(width, scheme)
        page = context.new_page()
        page.set_default_timeout(5000)
        seen = Seen(page)

        def stay(route: Route) -> None:
            if route.request.url.startswith((board.url, "data:")):
                route.continue_()
            else:
                seen.outside.append(route.request.url)
                route.abort()

        page.route("**/*", stay)
        page.on("console", lambda m: seen.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        opened.append((context, seen))
        page.goto(board.url)
        if token is not None:
            page.get_by_label("Token").fill(token)
            page.keyboard.press("Enter")
            expect(page.get_by_role("heading", name="Campaigns")).to_be_visible()
        return seen

    yield make
    for context, seen in opened:
        context.close()
        assert (seen.outside, seen.errors) == ([], [])


def row(page: Page, name: str) -> str:
    return page.get_by_role("row").filter(has=page.get_by_role("button", name=name, exact=True)).inner_text()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_all_of_it_fits_the_width_and_comes_from_this_server(
    board: Board, look: Callable[..., Seen], width: int, scheme: str
) -> None:
    long = "w" * 300
    held = [incident(), incident(id="a" * 96, explanation=long)]
    board.page.watch(Desk(held, (matrix(), heat_map())))
    page = look(width=width, scheme=scheme).page
    page.get_by_role("button", name="default", exact=True).click()
    expect(page.get_by_role("img", name="Spend so far")).to_be_visible()
    expect(page.get_by_text("Incidents by channel and hour")).to_be_visible()
    for wide in ("document.documentElement.scrollWidth", "document.body.scrollWidth"):
        assert page.evaluate(wide) <= width
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(244, 245, 247)" if scheme == "light" else "rgb(18, 20, 23)"
    )


def test_the_token_is_asked_for_once_and_stands_in_no_address_and_no_cookie(look: Callable[..., Seen]) -> None:
    page = look(None).page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    assert page.get_by_text("Alerts and incidents").is_hidden()
    page.get_by_label("Token").fill(DIRECTOR)
    page.keyboard.press("Enter")
    expect(page.get_by_text("ada · direct")).to_be_visible()
    page.reload()
    expect(page.get_by_text("ada · direct")).to_be_visible()
    assert not any(DIRECTOR in url for url in [*asked, page.url])
    assert page.context.cookies() == []
    page.get_by_role("button", name="Forget token").click()
    expect(page.get_by_label("Token")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    expect(page.get_by_label("Token")).to_be_visible()


def test_a_wrong_token_shows_nothing_and_is_counted(board: Board, look: Callable[..., Seen]) -> None:
    seen = look(None)
    seen.page.get_by_label("Token").fill("nobodys")
    seen.page.keyboard.press("Enter")
    expect(seen.page.get_by_text("This server knows no such token.")).to_be_visible()
    assert seen.page.get_by_text("Alerts and incidents").is_hidden()
    assert board.admin.attempts.remembered == 1
    assert len(seen.errors) == 1  # the browser's own line of the answer 401
    assert "401" in seen.errors.pop()


def test_what_is_bid_and_billed_is_seen_without_a_reload(board: Board, look: Callable[..., Seen]) -> None:
    page = look().page
    expect(page.get_by_text("slot 4 of 48")).to_be_visible()
    day = board.bidder.days["default"]
    before = day.pilots.policy.statistics.wins[3, 0] + day.collector.won.wins[0]

    def win() -> None:
        answer = board.bidder.bid(Opportunity((0.9, 0.8, 0.05), 0))
        assert isinstance(answer, Bid)
        assert answer.campaign.name == "default"
        board.bidder.bill(answer.ticket, 0.01)

    for _ in range(7):
        board.do(win)
    cell = page.get_by_role("row").filter(has=page.get_by_role("button", name="default", exact=True))
    expect(cell.locator("td[data-label=Wins] b")).to_have_text(str(int(before) + 7))


def test_a_pause_is_asked_about_and_reaches_the_bidder(board: Board, look: Callable[..., Seen]) -> None:
    page = look().page
    page.get_by_role("button", name="Pause spring.sale").click()
    page.get_by_role("button", name="Cancel").click()
    assert not board.bidder.served["spring.sale"].paused
    page.get_by_role("button", name="Pause spring.sale").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("spring.sale is paused: durable, and every bidder obeys it.")
    assert board.bidder.served["spring.sale"].paused
    page.get_by_role("button", name="Resume spring.sale").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume", exact=True).click()
    expect(page.get_by_role("button", name="Pause spring.sale")).to_be_visible()
    assert not board.bidder.served["spring.sale"].paused


def test_the_keyboard_alone_stops_all_bidding(board: Board, look: Callable[..., Seen]) -> None:
    page = look(width=400).page
    page.reload()
    expect(page.get_by_text("slot 4 of 48")).to_be_visible()
    focused = "document.activeElement.textContent"
    for _ in range(4):  # past the link to the campaigns
        page.keyboard.press("Tab")
        if page.evaluate(focused) == "Stop all bidding":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()  # a slip of the finger stops nothing
    page.keyboard.press("Enter")
    assert not board.bidder.killed
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("All bidding stopped")).to_be_visible()
    assert board.bidder.killed
    expect(page.get_by_role("button", name="Let bidding go on")).to_be_focused()


def test_text_from_elsewhere_stays_text(board: Board, look: Callable[..., Seen]) -> None:
    held = [incident(explanation=EVIL, campaign=EVIL)]
    board.page.watch(Desk(held, (Grid(EVIL, (EVIL,), (EVIL,), ((1.0,),), EVIL),)))
    seen = look()
    page = seen.page
    expect(page.get_by_role("list").get_by_text(EVIL, exact=True).first).to_be_visible()
    assert page.locator("main img, main script").count() == 0
    assert page.title() == "bidpilot"
    # and had it become markup, the policy would have stopped it
    refused = "document.getElementById('toast').innerHTML = '<b>x</b>'"
    assert page.evaluate(f"try {{ {refused}; 'done' }} catch (error) {{ error.name }}") == "TypeError"
    assert all("TrustedHTML" in error for error in seen.errors)
    seen.errors.clear()


def test_who_may_read_alone_can_press_nothing(board: Board, look: Callable[..., Seen]) -> None:
    board.page.watch(Desk([incident()]))
    page = look(READER).page
    for name in ("Stop all bidding", "Pause default", "Acknowledge shock-1", "Undo shock-1"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()
    expect(page.get_by_text("rita · read")).to_be_visible()


def test_an_incident_is_told_taken_on_and_undone(board: Board, look: Callable[..., Seen]) -> None:
    page, responder = look().page, board.bidder.responder
    expect(page.locator("#incidents")).to_have_text("None.")
    expect(page.locator("#risks")).to_have_text("None.")
    hit = Target(kind="segment", index=2)

    def notice() -> str:
        made = responder.notice(Risk.invalid_traffic, "default", hit, "Views stay away.", {"views": 3}, Level.throttle)
        return made.id

    id = board.do(notice)
    expect(page.get_by_role("alert").first).to_have_text("Level 1: throttle: invalid traffic default. Views stay away.")
    expect(page.locator("#incidents")).to_contain_text("default · segment search/head")
    expect(page.locator("#incidents")).to_contain_text("escalates in")
    assert "level 1: throttle" in row(page, "default")
    assert "level" not in row(page, "spring.sale")
    grid = page.locator("figure").filter(has_text="Incidents by channel and hour")
    expect(grid.get_by_role("row", name="search").get_by_role("cell", name="1")).to_have_count(1)
    deadline = responder.get(id).deadline
    assert deadline is not None
    page.get_by_role("button", name=f"2 h more {id}").click()
    expect(page.locator("#incidents summary")).to_have_text("3 steps")
    assert responder.get(id).deadline == deadline + 2 * 3600
    page.get_by_role("button", name=f"Acknowledge {id}").click()
    expect(page.get_by_role("button", name=f"Acknowledged {id}")).to_be_disabled()
    assert responder.get(id).acknowledged
    page.get_by_role("button", name=f"Undo {id}").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("is undone")
    assert responder.get(id).level == Level.none
    assert [step.by for step in responder.get(id).steps if step.action in ("extended", "acknowledged", "undone")] == [
        "ada"
    ] * 3
    expect(page.locator("td[data-label=State]").first).to_have_text("bidding")


def test_a_day_is_read_slot_by_slot_with_the_keys(board: Board, look: Callable[..., Seen]) -> None:
    page = look().page
    page.get_by_role("button", name="default", exact=True).press("Enter")
    expect(page.locator("#detail")).to_be_focused()
    chart = page.locator("figure").filter(has_text="Requests in each slot")
    chart.get_by_role("img").focus()
    page.keyboard.press("Home")
    s = board.bidder.days["default"].pilots.policy.statistics
    expect(chart.locator("output")).to_contain_text(f"00:00 taken {s.auctions[1, 0]:.0f},")
    page.keyboard.press("ArrowRight")
    expect(chart.locator("output")).to_contain_text(f"00:30 taken {s.auctions[2, 0] - s.auctions[1, 0]:.0f},")
    expect(page.locator("figure").filter(has_text="Coefficient of conversion")).to_contain_text("shadow")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="default", exact=True)).to_be_focused()
