import { posix } from 'node:path';
import { dockerfileInvalid, flagUnsupported } from './faults.ts';

/** `RUN --mount=…`, in BuildKit's words. */
export interface MountFlag {
  readonly type: 'bind' | 'cache' | 'tmpfs' | 'secret';
  /** '' only of a secret that is given as a variable or at its usual place. */
  readonly target: string;
  /** Of a cache or secret. */
  readonly id: string;
  /** A stage or image; absent: the context, of a cache nothing. */
  readonly from: string | undefined;
  readonly source: string;
  readonly sharing: 'shared' | 'private' | 'locked';
  readonly readonly: boolean;
  readonly required: boolean;
  readonly mode: number | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number | undefined;
  /** Of a secret: the variable it is given as. */
  readonly env: string | undefined;
}

const KEYS = new Set(['type', 'target', 'dst', 'destination', 'source', 'src', 'from', 'id', 'sharing', 'ro', 'readonly', 'rw', 'readwrite']);
const NUMBERS = new Set(['mode', 'uid', 'gid', 'size']);
const MORE = new Set(['required', 'env']);
const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 2 ** 10, kb: 2 ** 10, m: 2 ** 20, mb: 2 ** 20, g: 2 ** 30, gb: 2 ** 30 };

/** Fault `dockerfile-invalid`; `dockerfile-unsupported` for ssh. */
export function parseMount(text: string): MountFlag {
  const fields = new Map<string, string>();
  for (const field of text.split(',')) {
    const [, key = '', value] = /^([^=]*)(?:=([^]*))?$/.exec(field) ?? [];
    const name = key.trim().toLowerCase();
    if (!KEYS.has(name) && !NUMBERS.has(name) && !MORE.has(name)) throw dockerfileInvalid(`unexpected key '${name}' in '${field}'`);
    fields.set(name, value?.replace(/^"(.*)"$/, '$1') ?? 'true');
  }
  const type = fields.get('type') ?? 'bind';
  if (type === 'ssh') throw flagUnsupported("RUN --mount=type=ssh is not possible with Berth: a build has no way back to its client's agent");
  if (type !== 'bind' && type !== 'cache' && type !== 'tmpfs' && type !== 'secret') throw dockerfileInvalid(`unsupported mount type ${JSON.stringify(type)}`);
  const target = fields.get('target') ?? fields.get('dst') ?? fields.get('destination') ?? '';
  if (target === '' && type !== 'secret') throw dockerfileInvalid('invalid mount: target is required');
  const source = fields.get('source') ?? fields.get('src') ?? '';
  const sharing = fields.get('sharing') ?? 'shared';
  if (sharing !== 'shared' && sharing !== 'private' && sharing !== 'locked') throw dockerfileInvalid(`invalid value for sharing: ${sharing}`);
  const id = fields.get('id') ?? (type === 'secret' ? posix.basename(source === '' ? target : source) : target);
  if (type === 'secret' && id === '') throw dockerfileInvalid('invalid mount: a secret needs an id');
  return {
    type,
    target,
    id,
    from: fields.get('from'),
    source: type === 'secret' ? '' : source === '' ? '/' : source,
    sharing,
    readonly: type === 'bind' ? !isTrue(fields.get('rw') ?? fields.get('readwrite') ?? 'false') : isTrue(fields.get('ro') ?? fields.get('readonly') ?? 'false'),
    required: isTrue(fields.get('required') ?? 'false'),
    mode: number(fields.get('mode'), 8),
    uid: number(fields.get('uid'), 10) ?? 0,
    gid: number(fields.get('gid'), 10) ?? 0,
    sizeBytes: bytes(fields.get('size')),
    env: fields.get('env'),
  };
}

function isTrue(text: string): boolean {
  if (!/^(?:true|false|1|0)$/i.test(text)) throw dockerfileInvalid(`invalid boolean value in a mount: ${text}`);
  return /^(?:true|1)$/i.test(text);
}

function number(text: string | undefined, radix: 8 | 10): number | undefined {
  if (text === undefined) return undefined;
  if (!(radix === 8 ? /^[0-7]{1,5}$/ : /^\d{1,9}$/).test(text)) throw dockerfileInvalid(`invalid number in a mount: ${text}`);
  return Number.parseInt(text, radix);
}

function bytes(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits = '', unit = ''] = /^(\d{1,15})([a-z]*)$/i.exec(text) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  if (digits === '' || factor === undefined) throw dockerfileInvalid(`invalid size in a mount: ${text}`);
  return Number(digits) * factor;
}
