// One campaign's running day, slot by slot.

import { read } from "./api.js";
import { chart, strips } from "./charts.js";
import { by, el, say, show } from "./dom.js";
import { count, hour, isNumber, money, number, percent, words } from "./format.js";
import { state } from "./state.js";

const KPI = ["exposure", "interaction", "conversion"];
let told = null;
let asked = "";

/** Look at a campaign, or at none. */
export async function select(name) {
  state.selected = name;
  by("detail").hidden = name === null;
  if (name === null) return;
  asked = "";
  await refresh();
  by("detail").focus();
  by("detail").scrollIntoView({ block: "start" });
}

/** Ask again where the slot has changed, or a minute has passed. */
export async function refresh() {
  const row = state.campaigns.get(state.selected);
  if (!row) {
    by("detail").hidden = true;
    return;
  }
  const key = `${state.selected} ${row.steady.slot} ${row.steady.spend.length} ${Math.floor(state.server.now / 60)}`;
  if (key === asked) return;
  asked = key;
  try {
    const found = await read(`admin/page/${encodeURIComponent(state.selected)}`);
    if (found.name === state.selected) {
      told = found;
      draw();
    }
  } catch {
    asked = ""; // asked again with the next event
  }
}

/** Draw what was told, as wide as the page is. */
export function draw() {
  if (!told || state.selected === null) return;
  say(by("detail-title"), `${told.name}: the running day`);
  const body = by("detail-body");
  const gap = 16;
  const columns = body.clientWidth >= 900 ? 2 : 1;
  const width = Math.max(Math.floor((body.clientWidth - gap * (columns - 1)) / columns) - 26, 240);
  show(body, wants(), el("div", { class: "charts" }, charts(width)), sources(), channels());
}

function wants() {
  const c = told.campaign;
  const facts = [
    ["Budget a day", `${money(c.budget)} ${state.bundles.currency}`],
    ["A conversion is worth", money(c.conversion_value)],
    ["Preference", c.preference.map(number).join(" / ")],
    ["Target CPA", isNumber(c.max_cpa) ? money(c.max_cpa) : "none"],
    ["Auction", `${c.auction} price`],
    ["Most for one exposure", number(told.cap)],
  ];
  return el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function cumulative(values) {
  let sum = 0;
  return [0, ...values.map((value) => (sum += value ?? 0))];
}

function charts(width) {
  const { slots, rule } = told;
  const currency = state.bundles.currency;
  const shadow = rule.shadow.some((row) => row);
  const lines = isNumber(told.campaign.max_cpa) ? [{ label: "target", value: told.campaign.max_cpa, style: "target" }] : [];
  const wide = { slots, width };
  return [
    chart({ ...wide, title: "Spend so far", unit: currency, points: true, series: [
      { label: "spent", values: cumulative(told.spend), style: "s0" },
      { label: "plan", values: cumulative(told.planned_spend), style: "plan" },
    ] }),
    chart({ ...wide, title: "Wins in each slot", series: [
      { label: "wins", values: told.wins, style: "s0", bars: true },
      { label: "plan", values: told.planned_wins, style: "plan" },
    ] }),
    chart({ ...wide, title: "Cost per conversion so far", unit: currency, lines, series: [
      { label: "predicted", values: told.cpa.predicted, style: "s0" },
      { label: "told", values: told.cpa.realised, style: "s1" },
    ] }),
    chart({ ...wide, title: "Requests in each slot", series: [
      { label: "taken", values: told.auctions, style: "s0", bars: true },
      { label: "forecast", values: told.forecast_auctions, style: "plan" },
      { label: "refused", values: told.refused, style: "s1" },
    ] }),
    ...KPI.map((name, j) => chart({ ...wide, title: `Coefficient of ${name}`, unit: `${currency} per unit`, fromZero: false, series: [
      { label: "bundle", values: rule.alpha.map((row) => row?.[j] ?? null), style: "s0" },
      ...(shadow ? [{ label: "shadow", values: rule.shadow.map((row) => row?.[j] ?? null), style: "shadow" }] : []),
    ] })),
    strips({ ...wide, title: "Multiplier by segment", rows: told.segments, values: rule.multiplier }),
  ];
}

function table(heads, rows) {
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": heads[0] },
    el("table", {}, el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, rows)));
}

function sources() {
  if (!told.sources.length) return el("p", { class: "quiet" }, "No source is refused, doubted or beyond its quota in this slot.");
  const rows = told.sources.map((one) => el("tr", {},
    el("th", { scope: "row" }, String(one.source)),
    el("td", {}, one.status ? words(one.status) : one.multiplier === 0 ? "refused" : "open"),
    el("td", {}, number(one.multiplier)),
    el("td", {}, one.quota === null ? "none" : count(one.quota)),
    el("td", {}, `${count(one.refused)} of ${count(one.requests)}`),
    el("td", {}, isNumber(one.since) ? `since ${hour(one.since, told.slots)}` : ""),
    el("td", {}, isNumber(one.probability) ? percent(one.probability) : "–"),
    el("td", { class: "wide" }, one.why ?? "", one.would_clear ? el("small", {}, `Would clear it: ${one.would_clear}`) : null)));
  return [el("h3", {}, "Sources that are held back"), table(["Source", "Status", "Multiplier", "Quota", "Refused this slot", "Since", "Invalid", "Why"], rows)];
}

function channels() {
  const spent = Object.entries(told.channels).filter(([, amount]) => amount > 0);
  if (!spent.length) return null;
  const rows = spent.map(([name, amount]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, `${money(amount)} ${state.bundles.currency}`)));
  return [el("h3", {}, "Spend by channel, as this bidder was told"), table(["Channel", "Spent"], rows)];
}
