// The summary, bundle beside shadow, risks, and what guardrails did.

import { by, el, say, show } from "./dom.js";
import { count, duration, hour, money, number, short, words } from "./format.js";
import { kill, mayOperate, whyNot } from "./orders.js";
import { levelOf, LEVELS, state } from "./state.js";

const killer = el("button", { type: "button", onclick: () => kill(!state.server?.killed) });
const leaver = el("button", { type: "button", id: "forget" }, "Forget token");

/** The buttons of the header; `leave` forgets the token. */
export function prepare(leave) {
  leaver.addEventListener("click", leave);
  show(by("orders"), killer, leaver);
}

function chip(text, kind = "") {
  return el("span", { class: `chip ${kind}` }, text);
}

function standing(s) {
  if (s.killed) return chip("■ All bidding stopped", "bad");
  if (s.draining) return chip("■ Ending", "bad");
  if (s.breaker) return chip("■ Breaker open", "bad");
  if (!s.ledger) return chip("▲ Ledger does not answer", "bad");
  return chip("● Bidding", "good");
}

/** The header. */
export function header(live) {
  const s = state.server;
  by("orders").hidden = !s;
  if (!s) return show(by("status"), live ? null : chip("Not connected"));
  show(by("status"),
    standing(s),
    chip(`${s.date} ${hour(s.slot, s.slots)} · slot ${s.slot + 1} of ${s.slots}`),
    chip(live ? "Live" : "▲ Connecting again", live ? "" : "bad"),
    s.untold.length ? chip(`▲ Not told: ${s.untold.join(", ")}`, "bad") : null,
    state.who ? chip(`${state.who.name} · ${state.who.role}`) : null);
  say(killer, s.killed ? "Let bidding go on" : "Stop all bidding");
  killer.className = s.killed ? "primary" : "danger";
  killer.disabled = !mayOperate();
  killer.title = whyNot() ?? "";
}

function tile(label, value, note = "") {
  return el("div", { class: "tile" }, el("span", { class: "label" }, label), el("b", {}, value), el("small", {}, note));
}

/** The sum over all campaigns. */
export function summary() {
  const rows = [...state.campaigns.entries()];
  const sum = (pick) => rows.reduce((total, [, row]) => total + (pick(row) ?? 0), 0);
  const budget = sum((row) => row.moving.money.budget ?? row.steady.budget);
  const settled = sum((row) => row.moving.money.settled);
  const bidding = rows.filter(([, row]) => row.moving.state === "bidding").length;
  const open = state.incidents.filter((one) => one.open).length;
  const level = Math.max(0, levelOf(""), ...rows.map(([name]) => levelOf(name)));
  const s = state.server;
  show(by("summary"),
    tile("Left of all budgets", `${money(budget - settled)} ${state.bundles.currency}`, `${money(settled)} of ${money(budget)} spent`),
    tile("Campaigns that bid", `${bidding} of ${rows.length}`, "now"),
    tile("Bids", count(s.bids), `${count(s.auctions)} requests ${s.workers ? "of this worker" : "here"} since the start`),
    tile("Response level", LEVELS[level], open ? `${open} open ${open === 1 ? "incident" : "incidents"}` : "no incident"),
    tile("Slot ends in", duration(s.ends - s.now), `at ${hour((s.slot + 1) % s.slots, s.slots)}`),
    tile("Orders not durable", count(s.orders_pending), s.bidder));
}

/** Bundle and shadow, side by side. */
export function bundles() {
  const b = state.bundles;
  const panels = b.deciding.map((one) => facts(one.digest === b.newest ? "Bundle that decides" : "Bundle until its days are handed over", one, `${one.campaigns} ${one.campaigns === 1 ? "campaign" : "campaigns"}`));
  panels.push(b.shadow ? facts("Shadow, which bids nothing", b.shadow, "all campaigns") : el("div", { class: "panel" }, el("h3", {}, "Shadow"), el("p", { class: "quiet" }, "None. Start with --shadow FOLDER to let another bundle decide beside this one.")));
  const rows = [...state.campaigns.entries()].filter(([, row]) => row.steady.shadow);
  show(by("bundles"), el("div", { class: "panels" }, panels), rows.length ? beside(rows) : null);
}

function facts(title, origin, where) {
  const lines = [["Digest", short(origin.digest)], ["Run", origin.run || "none"], ["Decides", where]];
  return el("div", { class: "panel" }, el("h3", {}, title), el("dl", {}, lines.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))));
}

function beside(rows) {
  const heads = ["Campaign", "α of the bundle", "α of the shadow", "Shadow / bundle"];
  const ratio = (row) => row.steady.shadow.map((value, j) => (row.steady.alpha[j] > 0 ? number(value / row.steady.alpha[j]) : "–")).join(" / ");
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Coefficients of bundle and shadow" }, el("table", {},
    el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, rows.map(([name, row]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "once" }, row.steady.alpha.map(number).join(" / ")), el("td", { class: "once" }, row.steady.shadow.map(number).join(" / ")), el("td", { class: "once" }, ratio(row)))))));
}

/** Heat maps: each cell's number stands in it. */
export function risks() {
  show(by("risks"), state.risks.length ? state.risks.map(grid) : el("p", { class: "quiet" }, "None."));
}

function grid(one) {
  const known = one.cells.flat().filter((value) => value !== null);
  const most = one.most ?? Math.max(...known, 0);
  const shade = (value) => (value === null || most <= 0 ? 0 : Math.min(Math.ceil((6 * Math.max(value, 0)) / most), 6));
  return el("figure", { class: "heat" },
    el("figcaption", {}, one.title, one.unit ? el("span", { class: "unit" }, ` ${one.unit}`) : null),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": one.title }, el("table", {},
      el("thead", {}, el("tr", {}, el("td"), one.columns.map((label) => el("th", { scope: "col" }, words(label))))),
      el("tbody", {}, one.rows.map((label, r) => el("tr", {}, el("th", { scope: "row" }, words(label)), one.cells[r].map((value) => el("td", { class: `h${shade(value)}` }, value === null ? "" : number(value)))))))));
}

/** What guardrails and operators did. */
export function events() {
  const counts = Object.entries(state.server.events).sort(([a], [b]) => a.localeCompare(b));
  show(by("events"), counts.length ? el("ul", { class: "counts" }, counts.map(([cause, n]) => el("li", {}, `${words(cause)} `, el("b", {}, count(n))))) : el("p", { class: "quiet" }, "None."));
}
