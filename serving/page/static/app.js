// The control page: asks for a token, listens, and shows what is told.

import { events, Refused, token } from "./api.js";
import * as campaigns from "./campaigns.js";
import * as detail from "./detail.js";
import { toast } from "./dialog.js";
import { by, say } from "./dom.js";
import * as incidents from "./incidents.js";
import * as panels from "./panels.js";
import { state, take } from "./state.js";

const SILENCE = 15_000; // milliseconds without an event after which a stream is dead
const REST = [1_000, 10_000]; // milliseconds before the next try, at first and at most

let listening = null; // the controller of the stream
let rest = REST[0];
let lastEvents = "";

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function enter(why = "") {
  listening?.abort();
  listening = null;
  token.forget();
  Object.assign(state, { who: null, server: null, bundles: null, incidents: [], risks: [], selected: null });
  state.campaigns.clear();
  by("board").hidden = true;
  by("detail").hidden = true;
  by("enter").hidden = false;
  say(by("refused"), why);
  panels.header(false);
  by("token").focus();
}

function render(changed) {
  panels.header(true);
  if (!state.server || changed.has("who")) return;
  by("enter").hidden = true;
  by("board").hidden = false;
  panels.summary();
  if (changed.has("incidents") || (changed.has("server") && incidents.running())) incidents.update();
  campaigns.update();
  if (changed.has("bundles") || changed.has("campaigns")) panels.bundles();
  if (changed.has("risks")) panels.risks();
  const now = JSON.stringify(state.server.events);
  if (now !== lastEvents) panels.events();
  lastEvents = now;
  if (state.selected !== null) detail.refresh();
}

/** Listen once, until the stream ends; throws where it was refused. */
async function once() {
  const controller = (listening = new AbortController());
  let dead = setTimeout(() => controller.abort(), SILENCE);
  try {
    for await (const { kind, data } of events(controller.signal)) {
      clearTimeout(dead);
      dead = setTimeout(() => controller.abort(), SILENCE);
      rest = REST[0];
      if (listening !== controller) return;
      render(take(kind, data));
    }
  } finally {
    clearTimeout(dead);
  }
}

/** Listen, and listen again, while there is a token. */
async function listen() {
  const mine = token.get();
  while (token.get() === mine && mine) {
    try {
      await once();
    } catch (error) {
      if (token.get() !== mine) return;
      if (error instanceof Refused && [401, 403, 429].includes(error.status)) {
        enter(error.status === 401 ? "This server knows no such token." : error.message);
        return;
      }
      if (error instanceof TypeError && !state.server && /header|ByteString|ISO-8859-1/i.test(error.message)) {
        enter("That is no token.");
        return;
      }
      if (error instanceof Refused) toast(error.message, true);
    }
    if (token.get() !== mine) return;
    panels.header(false);
    await pause(rest);
    rest = Math.min(2 * rest, REST[1]);
  }
}

function open(event) {
  event.preventDefault();
  const given = by("token").value.trim();
  by("token").value = "";
  if (!/^[\x21-\x7e]+$/.test(given)) return enter("That is no token: letters, digits and signs without spaces.");
  say(by("refused"), "");
  token.set(given);
  listen();
}

let drawing = 0;
function redraw() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(detail.draw);
}

campaigns.prepare(detail.select);
panels.prepare(() => enter());
by("enter").addEventListener("submit", open);
by("detail-close").addEventListener("click", () => {
  const name = state.selected;
  detail.select(null);
  campaigns.update();
  [...document.querySelectorAll("#table .link")].find((button) => button.textContent === name)?.focus();
});
window.addEventListener("resize", redraw);
if (token.get()) listen();
else enter();
