import { dockerfileInvalid } from './faults.ts';
import { jsonWords } from './words.ts';

const UNITS_NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };
const OPTIONS: Readonly<Record<string, string>> = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
};

/** The arguments of HEALTHCHECK as Docker stores them: durations in nanoseconds. */
export function healthcheck(text: string): Record<string, unknown> {
  const check: Record<string, unknown> = {};
  let rest = text;
  for (let flag = /^--([a-z-]+)=(\S+)\s*/.exec(rest); flag !== null; flag = /^--([a-z-]+)=(\S+)\s*/.exec(rest)) {
    const [whole, name = '', value = ''] = flag;
    rest = rest.slice(whole.length);
    const field = OPTIONS[name];
    if (field !== undefined) check[field] = durationNs(value);
    else if (name === 'retries' && /^\d+$/.test(value)) check['Retries'] = Number(value);
    else throw dockerfileInvalid(`Unknown flag: ${name}`);
  }
  const [, type = '', command = ''] = /^(\S+)\s*([\s\S]*)$/.exec(rest) ?? [];
  if (type.toUpperCase() === 'NONE') {
    if (command !== '') throw dockerfileInvalid('HEALTHCHECK NONE takes no arguments');
    return { Test: ['NONE'] };
  }
  if (type.toUpperCase() !== 'CMD') throw dockerfileInvalid(`Unknown type ${JSON.stringify(type.toUpperCase())} in HEALTHCHECK (try CMD)`);
  if (command === '') throw dockerfileInvalid('Missing command after HEALTHCHECK CMD');
  const words = jsonWords(command);
  return { Test: words === undefined ? ['CMD-SHELL', command] : ['CMD', ...words], ...check };
}

/** Go's time.ParseDuration. */
function durationNs(text: string): number {
  if (text === '0') return 0;
  const parts = [...text.matchAll(/(\d+(?:\.\d*)?|\.\d+)([^\d.]*)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text) throw dockerfileInvalid(`time: invalid duration ${JSON.stringify(text)}`);
  return parts.reduce((sum, [, number, unit = '']) => {
    if (unit === '') throw dockerfileInvalid(`time: missing unit in duration ${JSON.stringify(text)}`);
    const unitNs = UNITS_NS[unit];
    if (unitNs === undefined) throw dockerfileInvalid(`time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
    return sum + Number(number) * unitNs;
  }, 0);
}
