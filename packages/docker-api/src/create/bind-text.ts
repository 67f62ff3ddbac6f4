import { posix } from 'node:path';
import type { BindPoint, NewVolume, VolumePoint } from '@berth/engine';
import { invalid, notYet } from '../faults.ts';
import { mountTarget } from './mount-target.ts';

const propagations = new Set(['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave']);
const consistencies = new Set(['consistent', 'cached', 'delegated', 'default']);

/** Nothing that is mounted on one side appears on the other: a machine has mounts of its own. */
export function judgePropagation(word: string): void {
  if (['', 'private', 'rprivate'].includes(word)) return;
  if (!propagations.has(word)) throw invalid('mount-invalid', `invalid mount config for type "bind": invalid propagation mode: ${word}`);
  throw notYet(`The bind propagation ${word} is`, 'a virtual machine has mounts of its own, so only rprivate is possible');
}

/** `-v SOURCE:TARGET[:MODE]`. Faults with Docker's sentences: `mount-invalid`; 501 for propagation. */
export function readBind(text: string, driver: string): BindPoint | VolumePoint {
  const wrong = () => invalid('mount-invalid', `invalid volume specification: '${text}'`);
  const parts = text.split(':');
  if (parts.length > 3 || parts[0] === '') throw wrong();
  const [first = '', second, third] = parts;
  const modeOnly = parts.length === 2 && second !== undefined && !second.startsWith('/') && readMode(second) !== undefined;
  const [source, target, mode] = parts.length === 1 || modeOnly ? ['', first, second ?? ''] : [first, second ?? '', third ?? ''];
  const words = readMode(mode);
  if (words === undefined) throw invalid('mount-invalid', `invalid mode: ${mode}`);
  if (third === '') throw wrong();
  const kind = source.startsWith('/') ? 'bind' : 'volume';
  const clean = mountTarget(target, `invalid volume specification: '${text}': invalid mount config for type "${kind}": `);
  const readonly = words.includes('ro');
  const propagation = words.find((word) => propagations.has(word)) ?? '';
  if (kind === 'bind') {
    if (words.includes('nocopy')) throw invalid('mount-invalid', `invalid mode: ${mode}`);
    judgePropagation(propagation);
    return { type: 'bind', source: posix.normalize(source).replace(/(.)\/$/, '$1'), target: clean, readonly, recursive: true, createSource: true, mode };
  }
  if (propagation !== '') throw invalid('mount-invalid', `invalid mode: ${mode}`);
  const making = { driver, options: {}, labels: {} };
  return volumePoint(source, clean, making, { readonly, copy: !words.includes('nocopy'), mode: mode === '' ? 'z' : mode });
}

export function volumePoint(
  name: string,
  target: string,
  making: Omit<NewVolume, 'name'>,
  changes: Partial<Pick<VolumePoint, 'readonly' | 'copy' | 'mode' | 'subpath'>> = {},
): VolumePoint {
  return { type: 'volume', name, target, readonly: false, subpath: '', copy: true, anonymous: name === '', mode: '', making, ...changes };
}

/** The words of a mode; undefined when one is unknown, or two of them contradict. */
function readMode(mode: string): string[] | undefined {
  if (mode === '') return [];
  const words = mode.split(',');
  const groups = [['ro', 'rw'], ['z', 'Z'], ['nocopy'], [...propagations], [...consistencies]];
  const fits = words.every((word) => groups.some((group) => group.includes(word)));
  const once = groups.every((group) => words.filter((word) => group.includes(word)).length <= 1);
  return fits && once ? words : undefined;
}
