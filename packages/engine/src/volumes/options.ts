import { isAbsolute, normalize } from 'node:path';
import { volumeOptionInvalid, volumeOptionUnsupported } from '../faults.ts';
import type { VolumeDefinition } from './port.ts';

const DEFAULT_DISK_BYTES = 10 * 2 ** 30;
const LEAST_DISK_BYTES = 16 * 2 ** 20;
const MOST_DISK_BYTES = 16 * 2 ** 40;

type Kind = Pick<VolumeDefinition, 'kind' | 'sizeBytes' | 'device'>;

/** What the options of the driver `local` ask for. Faults: `volume-option-invalid`, `volume-option-unsupported`. */
export function readOptions(name: string, options: Readonly<Record<string, string>>): Kind {
  for (const option of Object.keys(options)) {
    if (!['type', 'o', 'device', 'size'].includes(option)) throw volumeOptionInvalid(name, `invalid option: ${JSON.stringify(option)}`);
  }
  const type = options['type'] ?? '';
  if (type === 'block') return readBlock(name, options);
  if (options['size'] !== undefined) {
    throw volumeOptionUnsupported(name, 'a volume that is a directory of the host has no limit of its own: use -o type=block -o size=…, which makes a disk');
  }
  if (Object.keys(options).length === 0) return { kind: 'directory' };
  return readBind(name, type, options);
}

function readBlock(name: string, options: Readonly<Record<string, string>>): Kind {
  if (options['o'] !== undefined || options['device'] !== undefined) {
    throw volumeOptionInvalid(name, 'a volume of type block has the option size, and no others');
  }
  const sizeBytes = options['size'] === undefined ? DEFAULT_DISK_BYTES : parseSize(name, options['size']);
  if (sizeBytes < LEAST_DISK_BYTES || sizeBytes > MOST_DISK_BYTES) {
    throw volumeOptionInvalid(name, `invalid size: ${JSON.stringify(options['size'])}: a disk has 16m to 16t`);
  }
  return { kind: 'block', sizeBytes };
}

/** Docker's way of giving a name to a directory of the host. */
function readBind(name: string, type: string, options: Readonly<Record<string, string>>): Kind {
  const { device = '', o = '' } = options;
  if (device === '') throw volumeOptionInvalid(name, 'missing device in volume options');
  if (type === '') throw volumeOptionInvalid(name, 'missing required option: "type"');
  const words = o.split(',').filter((word) => word !== '');
  if (type !== 'none' || !words.some((word) => word === 'bind' || word === 'rbind')) {
    throw volumeOptionUnsupported(
      name,
      `-o type=${type} is not supported by Berth: type=none with o=bind names a directory of the host, type=block makes a disk`,
    );
  }
  const other = words.find((word) => !['bind', 'rbind', 'rw', 'private', 'rprivate'].includes(word));
  if (other !== undefined) throw volumeOptionUnsupported(name, `-o o=${other} is not supported by Berth; read-only is said where the volume is mounted`);
  if (!isAbsolute(device)) throw volumeOptionInvalid(name, `invalid device: ${JSON.stringify(device)}: it must be an absolute path`);
  return { kind: 'bind', device: normalize(device) };
}

/** `2g`, `512MiB`, `100 mb`: powers of 1024, as Docker's sizes of memory. */
function parseSize(name: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (match === null) throw volumeOptionInvalid(name, `invalid size: ${JSON.stringify(text)}`);
  const power = 'kmgt'.indexOf((match[2] ?? '').toLowerCase()) + 1;
  return Math.floor(Number(match[1]) * 1024 ** (match[2] === '' ? 0 : power));
}
