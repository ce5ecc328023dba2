// Alerts and incidents, the gravest first.

import { announce } from "./dialog.js";
import { by, el, show } from "./dom.js";
import { duration, hour, isNumber, time, words } from "./format.js";
import { acknowledge, extend, mayOperate, undo, whyNot } from "./orders.js";
import { LEVELS, state } from "./state.js";

const HOURS = 2; // that a deadline is put off by
const heard = new Map(); // id to the level that was announced
const opened = new Set(); // ids whose steps are shown

/** Show them as they are; tell of those that are new or have risen. */
export function update() {
  const all = [...state.incidents].sort((a, b) => b.open - a.open || b.level - a.level || (a.deadline ?? Infinity) - (b.deadline ?? Infinity));
  tell(all);
  const focused = document.activeElement?.dataset?.key;
  show(by("incidents"), all.length ? el("ul", { class: "incidents" }, all.map(card)) : el("p", { class: "quiet" }, "None."));
  if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function tell(all) {
  const news = all.filter((one) => one.open && one.level > (heard.get(one.id) ?? -1));
  for (const one of news) heard.set(one.id, one.level);
  if (news.length) announce(news.map((one) => `Level ${LEVELS[one.level]}: ${words(one.risk)} ${one.campaign}. ${one.explanation}`).join(" "));
}

function undoable(one) {
  return one.open && !one.undone && one.level > 0 && one.steps.some((step) => step.undo !== null);
}

function target(one) {
  const { kind, index } = one.target;
  if (kind === "segment" && isNumber(index)) return `segment ${state.bundles?.segments[index] ?? index}`;
  return isNumber(index) ? `${kind} ${index}` : kind;
}

function left(one) {
  if (!one.open) return "over";
  if (one.deadline === null) return "no deadline";
  const seconds = one.deadline - state.server.now;
  return seconds > 0 ? `escalates in ${duration(seconds)}` : "escalating";
}

function button(one, kind, label, call, able) {
  return el("button", { type: "button", "data-key": `${one.id} ${kind}`, disabled: !able || !mayOperate(), title: whyNot() ?? "", "aria-label": `${label} ${one.id}`, onclick: () => call(one) }, label);
}

function card(one) {
  const steps = el("details", { open: opened.has(one.id), ontoggle: (event) => (event.target.open ? opened.add(one.id) : opened.delete(one.id)) },
    el("summary", { "data-key": `${one.id} steps` }, `${one.steps.length} steps`),
    el("ol", {}, one.steps.map((step) => el("li", {}, el("time", {}, time(step.at, state.server.utc_offset)), ` ${words(step.action)} by ${step.by}, level ${LEVELS[step.level]}${step.cause ? `: ${step.cause}` : ""}`))));
  return el("li", { class: `incident ${one.open ? `is${one.level}` : "over"}` },
    el("div", { class: "headline" },
      el("h3", {}, el("span", { class: `tag level${one.open ? one.level : 0}` }, one.open ? LEVELS[one.level] : "over"), ` ${words(one.risk)}`),
      one.open && el("div", { class: "buttons" },
        button(one, "acknowledge", one.acknowledged ? "Acknowledged" : "Acknowledge", acknowledge, one.open && !one.acknowledged),
        button(one, "extend", `${HOURS} h more`, (which) => extend(which, HOURS), one.open && one.deadline !== null),
        button(one, "undo", "Undo", undo, undoable(one)))),
    el("p", {}, one.explanation),
    el("p", { class: "quiet" }, [one.campaign || "the bidder", target(one), `noticed ${one.day} after ${hour(one.slot + 1, state.server.slots)}`, `with the ${one.role}`, left(one), one.id].join(" · ")),
    steps);
}

/** Deadlines run between changes, too. */
export const running = () => state.incidents.some((one) => one.open && one.deadline !== null);
