import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

/** What makes one instance; several run beside each other when all three differ. */
export interface BerthdOptions {
  readonly stateDirectory: string;
  readonly runDirectory: string;
  readonly prefix: string;
  /** What `build-guest.ts` made. */
  readonly guestDirectory: string;
  /** Descriptor to which progress goes as JSON lines; absent: none. */
  readonly progressFd: number | undefined;
  /** `auto` finds out by booting. */
  readonly acceleration: 'auto' | 'kvm' | 'tcg';
  /** Virtual machines kept ready for each image in use; absent: the runtime's own default. */
  readonly poolSize: number | undefined;
  /** Host memory no virtual machine may take, MiB; absent: the runtime's own default. */
  readonly reserveMib: number | undefined;
  /** Logs of containers that ask for nothing else, as dockerd's options of the same name. */
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
}

/** Throws a TypeError with a sentence when the command line makes no sense. */
export function parseOptions(argv: readonly string[]): BerthdOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      'state-dir': { type: 'string', default: '/var/lib/berth' },
      'run-dir': { type: 'string', default: '/run/berth' },
      prefix: { type: 'string', default: 'berth' },
      'guest-dir': { type: 'string', default: resolve(import.meta.dirname, '../../../build/guest') },
      'progress-fd': { type: 'string' },
      acceleration: { type: 'string', default: 'auto' },
      'pool-size': { type: 'string' },
      'reserve-mib': { type: 'string' },
      'log-driver': { type: 'string', default: 'json-file' },
      'log-opt': { type: 'string', multiple: true, default: [] },
    },
  });
  if (!/^[a-z][a-z0-9]{0,5}$/.test(values.prefix)) throw new TypeError('--prefix takes 1 to 6 of a-z and 0-9, a letter first');
  const { acceleration } = values;
  if (acceleration !== 'auto' && acceleration !== 'kvm' && acceleration !== 'tcg') throw new TypeError('--acceleration is auto, kvm or tcg');
  return {
    stateDirectory: resolve(values['state-dir']),
    runDirectory: resolve(values['run-dir']),
    prefix: values.prefix,
    guestDirectory: resolve(values['guest-dir']),
    progressFd: values['progress-fd'] === undefined ? undefined : wholeNumber('--progress-fd', values['progress-fd']),
    acceleration,
    poolSize: values['pool-size'] === undefined ? undefined : wholeNumber('--pool-size', values['pool-size']),
    reserveMib: values['reserve-mib'] === undefined ? undefined : wholeNumber('--reserve-mib', values['reserve-mib']),
    logDriver: values['log-driver'],
    logOptions: Object.fromEntries(values['log-opt'].map(nameAndValue)),
  };
}

function nameAndValue(text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new TypeError('--log-opt takes NAME=VALUE, such as max-size=10m');
  return [text.slice(0, equals), text.slice(equals + 1)];
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new TypeError(`${name} takes a whole number`);
  return Number(text);
}
