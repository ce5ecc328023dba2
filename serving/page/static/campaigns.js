// The campaigns: one row each, changed in place, so that focus stays where it is.

import { spark } from "./charts.js";
import { by, el, say, show } from "./dom.js";
import { count, isNumber, money, number, pace, percent, rough, short, words } from "./format.js";
import { mayOperate, pause, whyNot } from "./orders.js";
import { at, levelOf, LEVELS, slotsPassed, state } from "./state.js";

const COLUMNS = ["Campaign", "State", "Budget left", "Spend against plan", "Pace", "Wins", "KPI", "CPA", "Coefficients", "Refused", ""];
const KPI = ["exposure", "interaction", "conversion"];
const GOOD = new Set(["bidding"]);
const rows = new Map(); // name to its cells
let body = null;
let select = () => {};

/** Make the table once; `onselect` hears of the campaign that is to be looked at. */
export function prepare(onselect) {
  select = onselect;
  body = el("tbody");
  const heads = COLUMNS.map((label) => el("th", { scope: "col" }, label || el("span", { class: "unseen" }, "Orders")));
  show(by("table"), el("table", { class: "campaigns" }, el("thead", {}, el("tr", {}, heads)), body));
  by("filter").addEventListener("input", filter);
}

function cell(label, ...children) {
  return el("td", { "data-label": label }, children);
}

function made(name) {
  const c = { state: el("span", { class: "tag" }), left: el("b"), of: el("small"), meter: el("meter", { min: 0, max: 1 }), curve: el("span"), pace: el("b"), plan: el("small"), wins: el("b"), auctions: el("small"), kpi: el("ul", { class: "numbers" }, KPI.map((name) => el("li", {}, el("span"), el("small", {}, ` ${name}`)))), told: el("small"), cpa: el("b"), target: el("small"), alpha: el("ul", { class: "numbers" }, KPI.map(() => el("li", {}, el("span")))), by: el("small"), refused: el("span"), sources: el("small"), level: el("span", { class: "tag" }), last: {} };
  c.name = el("button", { type: "button", class: "link", onclick: () => select(name) }, name);
  c.pause = el("button", { type: "button", onclick: () => pause(name, !state.campaigns.get(name)?.steady.paused) });
  c.meter.setAttribute("aria-label", `share of the budget of ${name} that is left`);
  c.row = el("tr", {},
    el("th", { scope: "row" }, c.name),
    cell("State", c.state, c.level),
    cell("Budget left", c.left, c.meter, c.of),
    cell("Spend against plan", c.curve),
    cell("Pace", c.pace, c.plan),
    cell("Wins", c.wins, c.auctions),
    cell("KPI", c.kpi, c.told),
    cell("CPA", c.cpa, c.target),
    cell("Coefficients", c.alpha, c.by),
    cell("Refused", c.refused, c.sources),
    cell("", c.pause));
  return c;
}

/** Show the campaigns as they are now. */
export function update() {
  const names = [...state.campaigns.keys()];
  for (const name of names) {
    if (!rows.has(name)) {
      rows.set(name, made(name));
      body.append(rows.get(name).row);
    }
    fill(rows.get(name), name, state.campaigns.get(name));
  }
  for (const [name, c] of rows) {
    if (!state.campaigns.has(name)) {
      c.row.remove();
      rows.delete(name);
    }
  }
  filter();
}

function filter() {
  const wanted = by("filter").value.trim().toLowerCase();
  for (const [name, c] of rows) c.row.hidden = !name.toLowerCase().includes(wanted);
}

/** Cost per conversion; null without one. */
const cost = (spent, conversions) => (conversions > 0 ? spent / conversions : null);

function fill(c, name, { steady, moving }) {
  const passed = slotsPassed();
  const budget = moving.money.budget ?? steady.budget;
  const settled = moving.money.settled ?? moving.spent;
  const left = budget - settled;
  const planned = at(steady.plan, passed);
  const ratio = planned > 0 ? settled / planned : null;
  say(c.state, words(moving.state));
  c.state.className = `tag ${GOOD.has(moving.state) ? "good" : moving.state === "paused" ? "quiet" : "bad"}`;
  say(c.left, money(left));
  c.meter.value = budget > 0 ? Math.min(Math.max(left / budget, 0), 1) : 0;
  say(c.of, `of ${money(budget)}${moving.money.promised > 0 ? `, ${money(moving.money.promised)} promised` : ""}`);
  say(c.pace, pace(ratio));
  say(c.plan, `${money(settled)} spent, plan ${money(planned)}`);
  say(c.wins, count(moving.wins));
  say(c.auctions, moving.auctions > 0 ? `${percent(moving.wins / moving.auctions)} of ${count(moving.auctions)}` : "no requests yet");
  list(c.kpi, moving.predicted);
  say(c.told, `told ${triple(moving.realised)}`);
  cpa(c, steady, moving);
  list(c.alpha, steady.alpha);
  say(c.by, steady.by_plan ? "by the plan" : short(steady.bundle));
  const refused = moving.refused.refused_source + moving.refused.refused_quota;
  say(c.refused, count(refused));
  const { refused: shut, doubted } = steady.sources;
  say(c.sources, shut || doubted ? `${shut} sources shut, ${doubted} doubted` : "no source");
  level(c, name);
  say(c.pause, steady.paused ? "Resume" : "Pause");
  c.pause.disabled = !mayOperate();
  c.pause.title = whyNot() ?? "";
  c.pause.setAttribute("aria-label", `${steady.paused ? "Resume" : "Pause"} ${name}`);
  c.row.classList.toggle("selected", state.selected === name);
  if (c.last.steady !== steady || Math.abs((c.last.passed ?? -1) - passed) > 0.2) {
    c.last = { steady, passed };
    show(c.curve, spark(steady.spend, steady.plan, passed));
  }
}

const list = (node, kpi) => kpi.forEach((value, j) => say(node.children[j].firstChild, rough(value)));
const triple = (kpi) => kpi.map(rough).join(" / ");

function cpa(c, steady, moving) {
  const told = cost(moving.spent, moving.realised[2]);
  const predicted = cost(moving.spent, moving.predicted[2]);
  const target = steady.max_cpa;
  say(c.cpa, number(predicted));
  const against = isNumber(target) ? `${predicted > target ? "above" : "within"} target ${number(target)}` : "no target";
  say(c.target, `${told === null ? "none told" : `told ${number(told)}`}, ${against}`);
  c.cpa.className = isNumber(target) && predicted > target ? "bad" : "";
}

function level(c, name) {
  const found = levelOf(name);
  c.level.hidden = found === 0;
  say(c.level, found ? `level ${LEVELS[found]}` : "");
  c.level.className = `tag level${found}`;
}
