import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { RegistrySettings } from '@berth/images';

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
  readonly registries: RegistrySettings;
  /** Logs of containers that ask for nothing else, as dockerd's options of the same name. */
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
}

/** The options that say which registries the virtual container host talks to, and how; `npm start` passes them on. */
const REGISTRY_HELP = `
  --registry-mirror URL        ask here first for names without a host; repeatable
  --insecure-registry HOST     plain HTTP or an unchecked certificate will do there (HOST, HOST:PORT or CIDR); repeatable
  --allow-registry HOST        only these may be pulled from and pushed to (HOST, HOST:PORT or *.DOMAIN); repeatable
  --trust-registry-target HOST an internal host that registries may send us to for blobs and tokens (or CIDR); repeatable
  --registry-certs DIR         DIR/HOST[:PORT]/*.crt are authorities, x.cert with x.key our own certificate
                               (default /etc/berth/certs.d)`;

const HELP = `berthd: the daemon. ‘npm start’ prepares the machine and runs it.

  --state-dir DIR              images, containers, logs (default /var/lib/berth)
  --run-dir DIR                sockets, what is running (default /run/berth)
  --prefix WORD                begins names of links and tables (default berth)
  --guest-dir DIR              kernel and first file system of the virtual machines
  --acceleration KIND          auto (finds out by booting), kvm or tcg
  --pool-size N                virtual machines kept ready for each image in use
  --reserve-mib N              host memory no virtual machine may take
  --log-driver NAME            of containers that name none: json-file (default), local or none
  --log-opt NAME=VALUE         its options, such as max-size=10m; repeatable
  --progress-fd N              descriptor to which progress goes as JSON lines
${REGISTRY_HELP.slice(1)}
  --help                       this
`;

/** Undefined: `--help` was asked for, and answered. Throws a TypeError with a sentence when the command line makes no sense. */
export function parseOptions(argv: readonly string[]): BerthdOptions | undefined {
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
      'registry-mirror': { type: 'string', multiple: true, default: [] },
      'insecure-registry': { type: 'string', multiple: true, default: [] },
      'allow-registry': { type: 'string', multiple: true, default: [] },
      'trust-registry-target': { type: 'string', multiple: true, default: [] },
      'registry-certs': { type: 'string', default: '/etc/berth/certs.d' },
      help: { type: 'boolean', default: false },
      'log-driver': { type: 'string', default: 'json-file' },
      'log-opt': { type: 'string', multiple: true, default: [] },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return undefined;
  }
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
    registries: {
      mirrors: values['registry-mirror'].map(mirrorUrl),
      insecure: values['insecure-registry'],
      allowed: values['allow-registry'],
      trusted: values['trust-registry-target'],
      certificatesDirectory: resolve(values['registry-certs']),
    },
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

function mirrorUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) throw new TypeError(`--registry-mirror takes a URL, not ${text}`);
  return text;
}
