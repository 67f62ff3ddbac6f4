import { Fault } from '@berth/kit';
import { z } from 'zod';

/**
 * Reading JSON as Go's encoding/json does, because Docker's clients are written against that: field names match without
 * regard to case, `null` means the zero value everywhere, unknown fields are ignored, and bytes after the first value
 * are not looked at.
 */

/** An object whose keys match case-insensitively; `null` counts as absent. An exact spelling wins over another case. */
export function goObject<S extends z.core.$ZodLooseShape>(shape: S) {
  const byFold = new Map(Object.keys(shape).map((key) => [key.toLowerCase(), key]));
  return z.preprocess((input) => {
    if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
    const result: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(input)) {
      if (value === null) continue;
      const name = byFold.get(key.toLowerCase());
      if (name === undefined || (name !== key && Object.hasOwn(input, name))) continue;
      result[name] = value;
    }
    return result;
  }, z.object(shape));
}

export const goString = () => z.string().default('');
export const goBool = () => z.boolean().default(false);
export const goInt = () => z.int().default(0);
/** `null` elements become ''. */
export const goStrings = () => z.array(z.preprocess((value) => value ?? '', z.string())).default([]);
export const goStringMap = () =>
  z
    .record(
      z.string(),
      z.preprocess((value) => value ?? '', z.string()),
    )
    .default({});
/** Go's `map[string]struct{}`: a set of names. */
export const goSet = () => z.record(z.string(), z.unknown()).default({});
/** Docker's strslice: one string or a list of them; absent stays absent, which differs from empty. */
export const goArguments = () => z.preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(z.string())).optional();

/**
 * Parses and checks a request body. Faults (kind `invalid`): `json-broken`, `json-type` with Go's sentences, since people
 * search for those.
 */
export function readJson<T>(schema: z.ZodType<T>, text: string, typeName = 'request'): T {
  if (text.trim() === '') throw new Fault('invalid', 'json-empty', 'invalid JSON: got EOF while reading request body');
  let value: unknown;
  try {
    value = parseFirst(text);
  } catch (error) {
    throw new Fault('invalid', 'json-broken', `invalid JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    if (value === null) value = {};
    else throw new Fault('invalid', 'json-type', `invalid JSON: json: cannot unmarshal ${goTypeOf(value)} into Go value of type ${typeName}`);
  }
  const parsed = schema.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  const issue = deepest(parsed.error.issues);
  const path = issue.path.map(String).join('.');
  throw new Fault(
    'invalid',
    'json-type',
    `invalid JSON: json: cannot unmarshal ${goTypeOf(issue.input)} into Go struct field ${typeName}.${path} of type ${expectedType(issue)}`,
    { cause: parsed.error },
  );
}

/** The first JSON value of the text; what follows is ignored, as a Go decoder leaves it unread. */
function parseFirst(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const end = endOfFirstValue(text);
    if (end === undefined) throw new Error(describeBreak(text, error as Error), { cause: error });
    return JSON.parse(text.slice(0, end));
  }
}

/** Index after the first balanced object or array; undefined when it never closes. */
function endOfFirstValue(text: string): number | undefined {
  let depth = 0;
  let inString = false;
  for (let i = text.search(/\S/); i >= 0 && i < text.length; i++) {
    const c = text[i];
    if (inString) {
      if (c === '\\') i++;
      else if (c === '"') inString = false;
      continue;
    }
    if (c === '"') inString = true;
    else if (c === '{' || c === '[') depth++;
    else if (c === '}' || c === ']') {
      if (--depth <= 0) return i + 1;
    } else if (depth === 0) return undefined;
  }
  return undefined;
}

function describeBreak(text: string, error: Error): string {
  const first = text.trimStart()[0] ?? '';
  if (!'{["-0123456789tfn'.includes(first)) return `invalid character '${first}' looking for beginning of value`;
  const cutShort = (first === '{' || first === '[') && endOfFirstValue(text) === undefined;
  return cutShort ? 'unexpected EOF' : error.message;
}

type Issue = z.core.$ZodIssue;

/** Unions report their branches; the sentence should name the innermost mismatch. */
function deepest(issues: readonly Issue[]): Issue {
  const issue = issues[0] as Issue;
  if (issue.code === 'invalid_union') {
    const inner = issue.errors[0];
    if (inner !== undefined && inner.length > 0) {
      const found = deepest(inner);
      return { ...found, path: [...issue.path, ...found.path] };
    }
  }
  return issue;
}

function goTypeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return Number.isInteger(value) ? 'number' : `number ${value}`;
  return value === undefined ? 'value' : typeof value;
}

function expectedType(issue: Issue): string {
  if (issue.code !== 'invalid_type') return 'value';
  const names: Record<string, string> = { int: 'int64', number: 'int64', boolean: 'bool', array: '[]string', record: 'map[string]string', object: 'struct' };
  return names[issue.expected] ?? issue.expected;
}
