// Small charts as SVG. Series differ by dash and marker as well as by colour; arrow keys read them slot by slot.

import { el, say, show, svg } from "./dom.js";
import { hour, isNumber, number } from "./format.js";

const HEIGHT = 200;
const PAD = { left: 48, right: 12, top: 10, bottom: 24 };

/** Round steps between two numbers, about `most` of them. */
export function ticks(low, high, most = 5) {
  const span = high - low || 1;
  const power = 10 ** Math.floor(Math.log10(span / most));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => span / s <= most) ?? 10 * power;
  const found = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-6; v += step) found.push(Math.abs(v) < step * 1e-6 ? 0 : v);
  return found;
}

function extent(series, lines, fromZero) {
  const values = [...series.flatMap((one) => one.values), ...lines.map((one) => one.value)].filter(isNumber);
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (!values.length) return [0, 1];
  if (fromZero) low = Math.min(low, 0);
  if (high <= low) high = low + (Math.abs(low) || 1);
  const air = (high - low) * 0.06;
  return [fromZero && low === 0 ? 0 : low - air, high + air];
}

/** The path of the values that are there; gaps stay gaps. */
export function path(values, x, y) {
  let text = "";
  let pen = false;
  values.forEach((value, k) => {
    if (isNumber(value)) text += `${pen ? "L" : "M"}${x(k).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = isNumber(value);
  });
  return text;
}

function swatch(one) {
  const mark = one.bars
    ? svg("rect", { x: 6, y: 2, width: 10, height: 9, class: `bar ${one.style}` })
    : svg("line", { x1: 1, x2: 21, y1: 6, y2: 6, class: `line ${one.style}` });
  return svg("svg", { width: 22, height: 12, "aria-hidden": "true" }, mark);
}

/** The value of a series where the first one ends: a plan goes on to the end of the day. */
function now(values, series) {
  const end = series[0].values.findLastIndex(isNumber);
  return values[end] ?? values.findLast(isNumber);
}

/**
 * A chart over the slots of a day.
 * series: [{label, values, style, bars}], style one of s0 to s3, plan, shadow, target; lines: [{label, value, style}].
 * `points` where values stand at the ends of slots (T + 1 of them) and not in them.
 */
export function chart({ title, unit = "", slots, series, lines = [], fromZero = true, points = false, width = 560 }) {
  const [low, high] = extent(series, lines, fromZero);
  const inner = width - PAD.left - PAD.right;
  const x = (k) => PAD.left + (inner * (points ? k : k + 0.5)) / slots;
  const y = (v) => HEIGHT - PAD.bottom - ((HEIGHT - PAD.bottom - PAD.top) * (v - low)) / (high - low);
  const parts = [];
  for (const value of ticks(low, high)) {
    parts.push(svg("line", { class: "grid", x1: PAD.left, x2: width - PAD.right, y1: y(value), y2: y(value) }));
    parts.push(svg("text", { class: "tick", x: PAD.left - 6, y: y(value) + 4, "text-anchor": "end" }, number(value)));
  }
  const every = slots / (inner < 360 ? 4 : 8);
  for (let k = 0; k <= slots; k += every) {
    const at = PAD.left + (inner * k) / slots;
    const anchor = k === 0 ? "start" : k >= slots ? "end" : "middle";
    parts.push(svg("text", { class: "tick", x: at, y: HEIGHT - 6, "text-anchor": anchor }, hour(k, slots)));
  }
  for (const one of series) {
    if (one.bars) {
      const wide = Math.max((inner / slots) * 0.7, 1);
      one.values.forEach((value, k) => {
        if (isNumber(value)) parts.push(svg("rect", { class: `bar ${one.style}`, x: x(k) - wide / 2, y: y(Math.max(value, 0)), width: wide, height: Math.abs(y(0) - y(value)) }));
      });
    } else {
      parts.push(svg("path", { class: `line ${one.style}`, d: path(one.values, x, y) }));
      const end = series[0].values.findLastIndex(isNumber);
      if (isNumber(one.values[end])) parts.push(svg("circle", { class: `dot ${one.style}`, cx: x(end), cy: y(one.values[end]), r: 2.5 }));
    }
  }
  for (const one of lines) {
    parts.push(svg("line", { class: `line ${one.style}`, x1: PAD.left, x2: width - PAD.right, y1: y(one.value), y2: y(one.value) }));
  }
  const cursor = svg("line", { class: "cursor", x1: -9, x2: -9, y1: PAD.top, y2: HEIGHT - PAD.bottom });
  const named = series.map((one) => `${one.label} ${number(now(one.values, series))}`).join(", ");
  const picture = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", tabindex: 0, "aria-label": `${title}: ${named}. Arrow keys read it slot by slot.` }, parts, cursor);
  const readout = el("output", { class: "readout" });
  follow(picture, cursor, readout, { series, slots, x, points, unit });
  const legend = [...series, ...lines].map((one) =>
    el("li", {}, swatch(one), `${one.label} `, el("b", {}, number(one.values ? now(one.values, series) : one.value))));
  return el("figure", { class: "chart" }, el("figcaption", {}, title, unit ? el("span", { class: "unit" }, ` ${unit}`) : null), picture, el("ul", { class: "legend" }, legend), readout);
}

/** Read the values at the pointer, or where arrow keys have led. */
function follow(picture, cursor, readout, { series, slots, x, points }) {
  const most = Math.max(...series.map((one) => one.values.length), 1) - 1;
  let here = -1;
  const move = (k) => {
    here = Math.min(Math.max(k, 0), most);
    cursor.setAttribute("x1", x(here));
    cursor.setAttribute("x2", x(here));
    const told = series.map((one) => `${one.label} ${number(one.values[here])}`).join(", ");
    say(readout, `${hour(here, slots)} ${told}`);
  };
  const leave = () => {
    cursor.setAttribute("x1", -9);
    cursor.setAttribute("x2", -9);
    say(readout, "");
  };
  picture.addEventListener("pointermove", (event) => {
    const share = (event.clientX - picture.getBoundingClientRect().left - PAD.left) / (x(1) - x(0));
    move(points ? Math.round(share) : Math.floor(share));
  });
  picture.addEventListener("pointerleave", leave);
  picture.addEventListener("blur", leave);
  picture.addEventListener("focus", () => move(here < 0 ? most : here));
  picture.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: most }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  });
}

/** Spend so far against the plan, small enough for a table. */
export function spark(spend, plan, passed) {
  const [width, height] = [132, 34];
  const top = Math.max(plan.at(-1), spend.at(-1) ?? 0) || 1;
  const x = (k) => 1 + ((width - 4) * k) / (plan.length - 1);
  const y = (v) => height - 2 - ((height - 5) * v) / top;
  return svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" },
    svg("path", { class: "line plan", d: path(plan, x, y) }),
    svg("line", { class: "cursor", x1: x(passed), x2: x(passed), y1: 0, y2: height }),
    svg("path", { class: "line s0", d: path(spend, x, y) }),
    svg("circle", { class: "dot s0", cx: x(spend.length - 1), cy: y(spend.at(-1) ?? 0), r: 2.5 }));
}

const BOUNDS = [0.25, 0.5, 0.8, 0.97, 1.03, 1.25, 2, 4];

/** Multipliers by segment and slot; 1 is the middle. */
export function strips({ title, rows, slots, values, width = 560 }) {
  const left = width < 420 ? 102 : 116;
  const [right, tall] = [44, 18];
  const wide = (width - left - right) / slots;
  const parts = [];
  rows.forEach((label, r) => {
    const top = r * tall;
    parts.push(svg("text", { class: "tick", x: left - 6, y: top + 13, "text-anchor": "end" }, label));
    values.forEach((row, k) => {
      if (!row || !isNumber(row[r])) return;
      const shade = row[r] === 0 ? "none" : BOUNDS.filter((bound) => row[r] > bound).length;
      parts.push(svg("rect", { class: `cell m${shade}`, x: left + k * wide, y: top + 1, width: Math.max(wide - 0.5, 0.5), height: tall - 2 }, svg("title", {}, `${label} ${hour(k, slots)}: ${number(row[r])}`)));
    });
    const now = values.findLast((row) => row)?.[r];
    parts.push(svg("text", { class: "tick", x: width - right + 6, y: top + 13 }, number(now)));
  });
  const bottom = rows.length * tall + 16;
  for (const k of width < 420 ? [0, slots / 2, slots] : [0, slots / 4, slots / 2, (3 * slots) / 4, slots]) {
    parts.push(svg("text", { class: "tick", x: left + k * wide, y: bottom, "text-anchor": k === 0 ? "start" : k === slots ? "end" : "middle" }, hour(k, slots)));
  }
  const named = rows.map((label, r) => `${label} ${number(values.findLast((row) => row)?.[r])}`).join(", ");
  return el("figure", { class: "chart" },
    el("figcaption", {}, title),
    svg("svg", { viewBox: `0 0 ${width} ${bottom + 4}`, width, height: bottom + 4, role: "img", "aria-label": `${title}, now: ${named}` }, parts),
    el("ul", { class: "legend" }, ["below 1", "1", "above 1"].map((label, k) => el("li", {}, svg("svg", { width: 14, height: 12, "aria-hidden": "true" }, svg("rect", { class: `cell m${[2, 4, 6][k]}`, width: 14, height: 12 })), label)), el("li", {}, "now at the right")));
}

/** Draw into a node as wide as it is, and again when that changes. */
export function draw(node, make) {
  const width = Math.max(Math.floor(node.clientWidth) || 560, 260);
  show(node, make(width));
}
