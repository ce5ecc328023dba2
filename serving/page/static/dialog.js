// One question at a time; nothing happens without a yes.

import { by, say } from "./dom.js";

/** Whether a person says yes. Escape and Cancel are no. */
export function confirmed(title, text, yes) {
  const dialog = by("confirm");
  if (dialog.open) return Promise.resolve(false);
  say(by("confirm-title"), title);
  say(by("confirm-text"), text);
  say(by("confirm-yes"), yes);
  return new Promise((resolve) => {
    const controller = new AbortController();
    const once = { signal: controller.signal };
    const end = (answer) => {
      controller.abort();
      dialog.close();
      resolve(answer);
    };
    by("confirm-yes").addEventListener("click", () => end(true), once);
    by("confirm-no").addEventListener("click", () => end(false), once);
    dialog.addEventListener("cancel", (event) => (event.preventDefault(), end(false)), once);
    dialog.showModal();
  });
}

let timer = 0;

/** Say what has come of an order; gone after a while. */
export function toast(text, bad = false) {
  const node = by("toast");
  node.className = bad ? "bad" : "";
  say(node, text);
  clearTimeout(timer);
  timer = setTimeout(() => say(node, ""), 12000);
}

/** Tell at once whoever listens rather than looks. */
export function announce(text) {
  say(by("announce"), text);
}
