// Talks to this server: the token goes in a header, never in an address or a cookie.

const KEY = "bidpilot-token";

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

async function send(path, options = {}) {
  const response = await fetch(path, {
    ...options,
    headers: { Authorization: `Bearer ${token.get()}`, ...options.headers },
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    referrerPolicy: "no-referrer",
  });
  if (response.ok) return response;
  let text = "";
  try {
    text = (await response.json()).error;
  } catch {
    text = response.statusText;
  }
  throw new Refused(response.status, text || `the server answered ${response.status}`);
}

/** What GET answers. */
export async function read(path) {
  return (await send(path)).json();
}

/** What POST answers, with its status. */
export async function order(path, body = {}) {
  const response = await send(path, { method: "POST", body: JSON.stringify(body) });
  return { status: response.status, ...(await response.json()) };
}

function parse(text) {
  let kind = "message";
  let data = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("event: ")) kind = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  return { kind, data: data ? JSON.parse(data) : null };
}

/** The server's events, until it or `signal` ends them. */
export async function* events(signal) {
  const response = await send("admin/stream", { signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
      yield parse(buffer.slice(0, end));
      buffer = buffer.slice(end + 2);
    }
  }
}
