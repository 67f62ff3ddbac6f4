import { dockerfileInvalid } from './faults.ts';

/** What an instruction takes before its arguments; a flag that is `repeated` may come several times. */
export type FlagTable = Readonly<Record<string, 'text' | 'repeated' | 'boolean'>>;

export interface Flags {
  readonly rest: string;
  readonly text: (name: string) => string | undefined;
  readonly texts: (name: string) => readonly string[];
}

/** Takes `--name=value` off the beginning. Faults with Docker's sentences. */
export function takeFlags(text: string, table: FlagTable): Flags {
  const values = new Map<string, string[]>();
  let rest = text;
  for (let match = /^--(\S*)(?:\s+|$)/.exec(rest); match !== null; match = /^--(\S*)(?:\s+|$)/.exec(rest)) {
    const [whole, flag = ''] = match;
    rest = rest.slice(whole.length);
    if (flag === '') break;
    const [, name = '', given] = /^([^=]*)(?:=([^]*))?$/.exec(flag) ?? [];
    const kind = Object.hasOwn(table, name) ? table[name] : undefined;
    if (kind === undefined) throw dockerfileInvalid(`unknown flag: ${name}`);
    const known = values.get(name) ?? [];
    if (known.length > 0 && kind !== 'repeated') throw dockerfileInvalid(`duplicate flag specified: ${name}`);
    if (kind === 'boolean') {
      const value = (given ?? 'true').toLowerCase();
      if (value !== 'true' && value !== 'false') throw dockerfileInvalid(`expecting boolean value for flag ${name}, not: ${given}`);
      values.set(name, [value]);
      continue;
    }
    if (given === undefined) throw dockerfileInvalid(`missing a value on flag: ${name}`);
    values.set(name, [...known, given]);
  }
  return { rest, text: (name) => values.get(name)?.[0], texts: (name) => values.get(name) ?? [] };
}
