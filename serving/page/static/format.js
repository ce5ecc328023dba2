// Numbers and names as the page writes them.

const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const three = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const cents = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const NONE = "–";

export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
export const number = (value) => (isNumber(value) ? plain.format(value) : NONE);
export const rough = (value) => (isNumber(value) ? three.format(value) : NONE);
export const count = (value) => (isNumber(value) ? (Math.abs(value) < 1e6 ? whole : plain).format(value) : NONE);

/** An amount without its currency, which stands beside. */
export const money = (value) => (isNumber(value) ? (Math.abs(value) < 1 && value !== 0 ? plain : cents).format(value) : NONE);
export const percent = (value) => (isNumber(value) ? `${whole.format(100 * value)} %` : NONE);

/** When a slot begins, in the campaign's own time. */
export function hour(slot, slots) {
  const minutes = Math.round((slot * 1440) / slots);
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}

/** A time of the campaigns' own zone, seconds since 1970. */
export function time(seconds, offset = 0) {
  return new Date((seconds + offset) * 1000).toISOString().slice(11, 19);
}

/** How long, in words. */
export function duration(seconds) {
  if (!isNumber(seconds)) return NONE;
  const s = Math.max(Math.round(seconds), 0);
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`;
}

export const words = (name) => String(name).replaceAll("_", " ");
export const short = (digest) => (digest ? String(digest).slice(0, 12) : NONE);

/** Pace in words: nobody has to read a colour. */
export function pace(ratio) {
  if (!isNumber(ratio)) return NONE;
  const off = Math.round(100 * (ratio - 1));
  return off === 0 ? "on plan" : off > 0 ? `${off} % ahead` : `${-off} % behind`;
}
