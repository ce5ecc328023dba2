// What the server has told last.

export const state = {
  who: null,
  server: null,
  bundles: null,
  campaigns: new Map(), // name to { steady, moving }
  incidents: [],
  risks: [],
  selected: null, // a campaign's name
};

/** Take in a whole snapshot, or what has changed; the parts that did. */
export function take(kind, told) {
  if (kind === "who") {
    state.who = told;
    return new Set(["who"]);
  }
  const changed = new Set();
  if (kind === "whole") state.campaigns.clear();
  for (const part of ["server", "bundles", "incidents", "risks"]) {
    if (told[part] !== undefined) {
      state[part] = told[part];
      changed.add(part);
    }
  }
  for (const [name, row] of Object.entries(told.campaigns ?? {})) {
    state.campaigns.set(name, { ...state.campaigns.get(name), ...row });
    changed.add("campaigns");
  }
  for (const name of told.gone ?? []) {
    state.campaigns.delete(name);
    changed.add("campaigns");
  }
  return changed;
}

/** The share of the running day that is over, in slots. */
export function slotsPassed() {
  const { slot, slots, now, ends } = state.server;
  const length = 86400 / slots;
  return Math.min(Math.max(slot + (now - (ends - length)) / length, slot), slot + 1);
}

/** A curve of T + 1 points, cumulative, at a time in slots. */
export function at(curve, slots) {
  const k = Math.min(Math.floor(slots), curve.length - 2);
  return curve[k] + (curve[k + 1] - curve[k]) * (slots - k);
}

/** The highest level of the open incidents that hit a campaign. */
export function levelOf(name) {
  const hit = state.incidents.filter((one) => one.open && (one.campaign === name || !one.campaign));
  return Math.max(0, ...hit.map((one) => one.level));
}

export const LEVELS = ["none", "1: throttle", "2: pause", "3: stop"];
