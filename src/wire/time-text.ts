/** Wall-clock texts of messages: `publish_time_format` and `eta`, in one configured time zone. */
import { isTimeMs } from "../base/duration.ts";
import { describe, FunboostError } from "../base/errors.ts";
import { processWide } from "../base/process-wide.ts";

/** Numbers below it are seconds, as Python writes them: in milliseconds it is the year 1973. */
export const firstMs = 1e11;

const timePattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?$/i;

type Fields = readonly [year: number, month: number, day: number, hour: number, minute: number, second: number];

const timezoneState = processWide("timezone", (): { timezone: string | undefined } => ({ timezone: undefined }));

// Made from the shared zone, again when it changes.
let zone: string | undefined;
let zoneFormat: Intl.DateTimeFormat | undefined;
let lastSecond = Number.NaN;
let lastText = "";

/** The zone of texts without an offset, for all copies of the package; undefined: the system's. */
export function setTimezone(name?: string): void {
  if (name !== undefined) formatOf(name);
  timezoneState().timezone = name;
}

/** `YYYY-MM-DD HH:MM:SS`. Called for each message: one text a second is made. */
export function formatTime(ms: number): string {
  refreshZone();
  const second = Math.floor(ms / 1000);
  if (second === lastSecond) return lastText;
  const [year, month, date, hour, minute, rest] = fieldsOf(second * 1000);
  const day = `${String(year).padStart(4, "0")}-${twoDigits(month)}-${twoDigits(date)}`;
  lastText = `${day} ${twoDigits(hour)}:${twoDigits(minute)}:${twoDigits(rest)}`;
  lastSecond = second;
  return lastText;
}

/**
 * Epoch milliseconds of an `eta`: `YYYY-MM-DD HH:MM:SS` in the zone, ISO with an offset, epoch seconds or milliseconds;
 * undefined when it is none of these.
 */
export function parseTime(value: unknown): number | undefined {
  if (typeof value === "number" || typeof value === "bigint") return epochMs(Number(value));
  if (typeof value !== "string") return undefined;
  const text = value.trim();
  if (/^\d{9,}(\.\d+)?$/.test(text)) return epochMs(Number(text));
  const match = timePattern.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match
    .slice(1, 7)
    .map((each) => Number(each ?? 0)) as unknown as Fields;
  const fraction = Math.floor(Number(`0.${match[7] ?? 0}`) * 1000);
  const asUtc = Date.UTC(year, month - 1, day, hour, minute, second, fraction);
  // Date.UTC rolls over: the 31st of April would be the 1st of May.
  if (new Date(asUtc).getUTCMonth() !== month - 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  return match[8] ? asUtc - offsetMs(match[8]) : localMs(asUtc);
}

function refreshZone(): void {
  const { timezone } = timezoneState();
  if (timezone === zone) return;
  zoneFormat = timezone === undefined ? undefined : formatOf(timezone);
  zone = timezone;
  lastSecond = Number.NaN;
}

function formatOf(name: string): Intl.DateTimeFormat {
  try {
    if (typeof name !== "string") throw new TypeError("no text");
    return new Intl.DateTimeFormat("en-u-ca-gregory-nu-latn", {
      timeZone: name,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch (cause) {
    throw new FunboostError(
      "BAD_OPTION",
      `"timezone" is ${describe(name)}. Allowed: a name such as "Europe/Berlin", "Asia/Shanghai" or "UTC".`,
      { cause },
    );
  }
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

function fieldsOf(ms: number): Fields {
  const date = new Date(ms);
  if (!zoneFormat)
    return [
      date.getFullYear(),
      date.getMonth() + 1,
      date.getDate(),
      date.getHours(),
      date.getMinutes(),
      date.getSeconds(),
    ];
  const parts: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
  for (const { type, value } of zoneFormat.formatToParts(date)) parts[type] = Number(value);
  return [parts.year ?? 0, parts.month ?? 0, parts.day ?? 0, parts.hour ?? 0, parts.minute ?? 0, parts.second ?? 0];
}

function epochMs(value: number): number | undefined {
  const ms = value < firstMs ? value * 1000 : value;
  return isTimeMs(ms) ? Math.round(ms) : undefined;
}

function offsetMs(offset: string): number {
  if (/^z$/i.test(offset)) return 0;
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(3).replace(":", "") || 0);
  return (offset.startsWith("-") ? -minutes : minutes) * 60_000;
}

/**
 * The moment at which clocks in the zone show the fields of `asUtc`. Twice, because the offset may change in between.
 */
function localMs(asUtc: number): number {
  refreshZone();
  const zoneOffset = (ms: number) => {
    const [year, month, day, hour, minute, second] = fieldsOf(ms);
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1000) * 1000;
  };
  const guess = asUtc - zoneOffset(asUtc);
  return asUtc - zoneOffset(guess);
}
