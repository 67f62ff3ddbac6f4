import { Fault } from '@berth/kit';

/** Docker's `filters` query parameter: for each name, values of which one must match. */
export class Filters {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  private constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  static readonly none = new Filters(new Map());

  /**
   * Reads both spellings: `{"name":["a"]}` and the older `{"name":{"a":true}}`. Only names in `known`, when given, are allowed. Faults
   * (kind `invalid`): `filters-broken`, `filter-unknown` ("invalid filter 'x'").
   */
  static parse(text: string | undefined, known: readonly string[] | undefined): Filters {
    if (text === undefined || text === '') return Filters.none;
    const values = new Map<string, readonly string[]>();
    for (const [name, value] of Object.entries(readObject(text))) {
      if (known?.includes(name) === false) throw new Fault('invalid', 'filter-unknown', `invalid filter '${name}'`);
      values.set(name, readValues(name, value));
    }
    return new Filters(values);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  values(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** No values given, or one of them satisfies `test`. */
  any(name: string, test: (value: string) => boolean): boolean {
    const values = this.values(name);
    return values.length === 0 || values.some(test);
  }

  /** No values given, or all of them satisfy `test` (labels are combined so). */
  every(name: string, test: (value: string) => boolean): boolean {
    return this.values(name).every(test);
  }

  /** `key` or `key=value`, all of `label` and none of `label!`. */
  labels(labels: Readonly<Record<string, string>>): boolean {
    return this.every('label', (value) => hasLabel(labels, value)) && this.values('label!').every((value) => !hasLabel(labels, value));
  }

  /** A yes-or-no filter. Fault `filter-invalid` for other words. */
  boolean(name: string): boolean | undefined {
    const values = this.values(name);
    if (values.length === 0) return undefined;
    const read = values.map((value) =>
      ['1', 'true', 't', 'T', 'TRUE', 'True'].includes(value) ? true : ['0', 'false', 'f', 'F', 'FALSE', 'False'].includes(value) ? false : undefined,
    );
    if (read.includes(undefined) || new Set(read).size > 1) throw invalidFilter(name, values);
    return read[0];
  }
}

/** Docker's sentence for a value a filter cannot take. */
export function invalidFilter(name: string, values: readonly string[]): Fault {
  return new Fault('invalid', 'filter-invalid', `invalid filter '${name}=${values.length === 1 ? values[0] : `[${values.join(' ')}]`}'`);
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const at = wanted.indexOf('=');
  if (at < 0) return Object.hasOwn(labels, wanted);
  const key = wanted.slice(0, at);
  return Object.hasOwn(labels, key) && labels[key] === wanted.slice(at + 1);
}

/**
 * How Docker matches names in filters: as a regular expression anywhere in the name. A pattern that is no regular
 * expression matches as plain text.
 */
export function matchesName(pattern: string, name: string): boolean {
  if (pattern === name) return true;
  try {
    return new RegExp(pattern).test(name);
  } catch {
    return name.includes(pattern);
  }
}

function readObject(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const first = text.trimStart()[0] ?? '';
    const reason = /[{["0-9tfn-]/.test(first) ? 'unexpected end of JSON input' : `invalid character '${first}' looking for beginning of value`;
    throw new Fault('invalid', 'filters-broken', `invalid filter: ${reason}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    if (value === null) return {};
    throw new Fault('invalid', 'filters-broken', 'invalid filter: must be an object of names and values');
  }
  return value;
}

function readValues(name: string, value: unknown): readonly string[] {
  if (value === null) return [];
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.map(String);
  if (typeof value === 'object')
    return Object.entries(value)
      .filter(([, on]) => on === true)
      .map(([key]) => key);
  throw new Fault('invalid', 'filters-broken', `invalid filter '${name}'`);
}
