import { Fault } from '@berth/kit';

/** Go's zero time: what Docker writes for "never". */
export const zeroTime = '0001-01-01T00:00:00Z';

/** RFC 3339 with nine digits of a second, as in log lines (`docker logs -t`). */
export function rfc3339NanoFixed(timeNs: bigint): string {
  const seconds = timeNs / 1_000_000_000n;
  const rest = timeNs % 1_000_000_000n;
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${rest.toString().padStart(9, '0')}Z`;
}

/** RFC 3339 as Go's JSON writes times: zeros at the end of the fraction dropped. 0 is Go's zero time. */
export function rfc3339(timeMs: number): string {
  if (timeMs === 0) return zeroTime;
  return new Date(timeMs).toISOString().replace(/0+Z$/, 'Z').replace('.Z', 'Z');
}

const durationUnits: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Go's duration syntax (`1h30m`, `-1.5s`) in nanoseconds; undefined when the text is none. */
export function parseDuration(text: string): bigint | undefined {
  if (text === '0') return 0n;
  const match = /^([+-]?)((?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.exec(text);
  if (match === null) return undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(number) * (durationUnits[unit ?? ''] ?? 0);
  }
  return BigInt(Math.round(match[1] === '-' ? -total : total));
}

/**
 * A moment as clients send it: seconds since the epoch with an optional fraction of nine digits, RFC 3339 and its
 * shortened forms (local time is UTC here), or a Go duration counted back from now. Nanoseconds since the epoch. Fault
 * `time-invalid`.
 */
export function parseMoment(text: string, nowMs: number): bigint {
  const seconds = /^(-?\d+)(?:\.(\d{1,9})\d*)?$/.exec(text);
  if (seconds !== null) {
    const whole = BigInt(seconds[1] ?? '0') * 1_000_000_000n;
    const part = BigInt((seconds[2] ?? '').padEnd(9, '0') || '0');
    return (seconds[1] ?? '').startsWith('-') ? whole - part : whole + part;
  }
  const duration = parseDuration(text);
  if (duration !== undefined) return BigInt(nowMs) * 1_000_000n - duration;
  const date = /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d))?(?::(\d\d)(?:\.(\d{1,9}))?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (date !== null) {
    const [, day, hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] = date;
    const ms = Date.parse(`${day}T${hour}:${minute}:${second}${zone}`);
    if (!Number.isNaN(ms)) return BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0') || '0');
  }
  throw new Fault('invalid', 'time-invalid', `failed to parse value as time or duration: ${JSON.stringify(text)}`);
}

/** Docker's way to say how long something took or ago it was ("About a minute", "3 weeks"). */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(ms / 3_600_000);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(hours / 24 / 365)} years`;
}
