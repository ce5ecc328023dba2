// What an operator may order from here, each with a question first.

import { order, Refused } from "./api.js";
import { confirmed, toast } from "./dialog.js";
import { state } from "./state.js";

const RANK = { read: 1, operate: 2, direct: 3 };

/** Whether this token may operate. */
export const mayOperate = () => RANK[state.who?.role] >= RANK.operate;
export const whyNot = () => (mayOperate() ? null : `${state.who?.name ?? "this token"} may read, and not operate`);

function outcome(done, answer) {
  if (answer.status === 200) return `${done}: durable, and every bidder obeys it.`;
  const missing = answer.missing?.length ? ` Not reached yet: ${answer.missing.join(", ")}.` : "";
  return `${done}: in force here${answer.durable ? ", durable" : ", not durable yet"}.${missing}`;
}

async function give(path, done, body) {
  try {
    toast(outcome(done, await order(path, body)));
  } catch (error) {
    const why = error instanceof Refused ? error.message : "the server does not answer";
    toast(`Not done: ${why}`, true);
  }
}

const part = encodeURIComponent;

export async function kill(on) {
  const [title, text, yes] = on
    ? ["Stop all bidding?", "Every campaign of every bidder stops at once. Bills and events are booked as ever.", "Stop all bidding"]
    : ["Let bidding go on?", "Every campaign that is not paused bids again.", "Let bidding go on"];
  if (await confirmed(title, text, yes)) await give(on ? "admin/kill" : "admin/revive", on ? "All bidding has stopped" : "Bidding goes on");
}

export async function pause(name, on) {
  const [title, text, yes] = on
    ? [`Pause ${name}?`, "It makes no bids until somebody resumes it. Its budget and its plan stay.", "Pause"]
    : [`Resume ${name}?`, "It bids again at once, with what is left of its budget.", "Resume"];
  if (await confirmed(title, text, yes)) {
    await give(`admin/campaigns/${part(name)}/${on ? "pause" : "resume"}`, `${name} ${on ? "is paused" : "bids again"}`);
  }
}

export async function acknowledge(incident) {
  await give(`admin/incidents/${part(incident.id)}/acknowledge`, `${incident.id} is acknowledged`);
}

export async function undo(incident) {
  const text = "The last action that can be taken back is: what it held back bids again. The incident stays in the library.";
  if (await confirmed(`Undo the response to ${incident.id}?`, text, "Undo")) {
    await give(`admin/incidents/${part(incident.id)}/undo`, `The response to ${incident.id} is undone`);
  }
}

export async function extend(incident, hours) {
  await give(`admin/incidents/${part(incident.id)}/extend`, `${incident.id} has ${hours} hours more`, { hours });
}
