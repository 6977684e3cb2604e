// How values read. An absent value is an en dash, never 0.

export const ABSENT = '–';

/** An age in milliseconds, short: `now`, `12 s`, `5 min`, `3 h`, `2 d`. */
export function age(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 2) return 'now';
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return `${min} min`;
  const h = Math.floor(min / 60);
  return h < 48 ? `${h} h` : `${Math.floor(h / 24)} d`;
}

/** A span for people: `42 s`, `3 min 20 s`, `2 h 5 min`. */
export function span(ms: number): string {
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return s % 60 && min < 10 ? `${min} min ${s % 60} s` : `${min} min`;
  return min % 60 ? `${Math.floor(min / 60)} h ${min % 60} min` : `${Math.floor(min / 60)} h`;
}

/** A measure that cannot be negative, if it is one. Devices write "not known" as null, -1 or NaN. */
export function known(value: number | null | undefined): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** Metres a second as km/h. */
export function speed(metresPerSecond: number | undefined): string {
  const value = known(metresPerSecond);
  return value === undefined ? ABSENT : `${Math.round(value * 3.6)} km/h`;
}

export function metres(told: number | undefined): string {
  const value = known(told);
  if (value === undefined) return ABSENT;
  if (value < 1000) return `${Math.round(value)} m`;
  return `${(value / 1000).toFixed(value < 10_000 ? 1 : 0)} km`;
}

export function percent(told: number | undefined): string {
  const value = known(told);
  return value === undefined ? ABSENT : `${Math.round(value)} %`;
}

const POINTS = ['N', 'NE', 'E', 'SE', 'S', 'SW', 'W', 'NW'];

/** `NE 42°` */
export function heading(degrees: number | undefined): string {
  const value = known(degrees);
  if (value === undefined) return ABSENT;
  const turned = value % 360;
  return `${POINTS[Math.round(turned / 45) % 8]} ${Math.round(turned) % 360}°`;
}

export function coordinates(lat: number, lon: number): string {
  const one = (value: number, plus: string, minus: string) =>
    `${Math.abs(value).toFixed(5)}° ${value < 0 ? minus : plus}`;
  return `${one(lat, 'N', 'S')}, ${one(lon, 'E', 'W')}`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const CLOCK_SECONDS = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });

export const clock = (at: number): string => CLOCK.format(at);
export const clockSeconds = (at: number): string => CLOCK_SECONDS.format(at);

/** `Today`, `Yesterday`, or the date. */
export function day(at: number, now: number): string {
  const start = (time: number) => new Date(time).setHours(0, 0, 0, 0);
  const days = Math.round((start(now) - start(at)) / 86_400_000);
  return days === 0 ? 'Today' : days === 1 ? 'Yesterday' : DAY.format(at);
}

export function count(value: number): string {
  return value.toLocaleString('en-GB').replaceAll(',', ' ');
}

/** Two letters for a person or agent. */
export function initials(name: string): string {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const letters = words.length > 1 ? `${first(words[0])}${first(words[1])}` : [...(words[0] ?? '?')].slice(0, 2).join('');
  return letters.toUpperCase();
}

const first = (word: string | undefined): string => [...(word ?? '')][0] ?? '';
