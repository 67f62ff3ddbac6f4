import { readdirSync, readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { join } from 'node:path';
import { registryForbidden } from '../faults.ts';

/** What the operator of a VCH says about registries. */
export interface RegistrySettings {
  /** Base URLs asked before the default registry, for names without a host. */
  readonly mirrors?: readonly string[];
  /** `host`, `host:port` or CIDR: plain HTTP and unchecked certificates are taken there. Loopback always is, as Docker has it. */
  readonly insecure?: readonly string[];
  /** `host`, `host:port`, `*.domain`: only these may be named. Absent or empty: any. */
  readonly allowed?: readonly string[];
  /** `host`, `host:port` or CIDR inside one's own network where a registry may send us for blobs and tokens. */
  readonly trusted?: readonly string[];
  /** Laid out as Docker's certs.d: `HOST[:PORT]/*.crt`, and `x.cert` with `x.key` for a certificate of our own. */
  readonly certificatesDirectory?: string;
  /** First pause before a broken transfer is taken up again; grows with each. Default 1 s. */
  readonly retryPauseMs?: number;
}

export interface Certificates {
  readonly ca: readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

/** The settings as questions. `host` is what stands in a reference before the first slash, with the port if it has one. */
export class RegistryPolicy {
  readonly mirrors: readonly URL[];
  readonly retryPauseMs: number;
  readonly #insecure: HostList;
  readonly #trusted: HostList;
  readonly #allowed: readonly string[];
  readonly #certificates: string | undefined;

  constructor(settings: RegistrySettings) {
    this.mirrors = (settings.mirrors ?? []).map((text) => new URL(text));
    this.retryPauseMs = settings.retryPauseMs ?? 1_000;
    this.#insecure = new HostList([...(settings.insecure ?? []), 'localhost', '127.0.0.0/8', '::1/128']);
    this.#trusted = new HostList(settings.trusted ?? []);
    this.#allowed = settings.allowed ?? [];
    this.#certificates = settings.certificatesDirectory;
  }

  /** Fault `registry-forbidden`. */
  requireAllowed(host: string): void {
    const name = withoutPort(host);
    const fits = (pattern: string) => pattern === host || pattern === name || (pattern.startsWith('*.') && name.endsWith(pattern.slice(1)));
    if (this.#allowed.length > 0 && !this.#allowed.some(fits)) throw registryForbidden(host);
  }

  isInsecure(host: string): boolean {
    return this.#insecure.has(host);
  }

  isTrusted(host: string): boolean {
    return this.#trusted.has(host);
  }

  /** Certificates for a host, read at every use, so that they can be exchanged while the daemon runs. */
  certificates(host: string): Certificates {
    const directory = this.#certificates === undefined ? undefined : join(this.#certificates, host);
    let names: string[] = [];
    try {
      if (directory !== undefined) names = readdirSync(directory).sort();
    } catch {
      // Nothing is said about this host.
    }
    const read = (name: string) => readFileSync(join(directory ?? '', name), 'utf8');
    const own = names.find((name) => name.endsWith('.cert') && names.includes(name.replace(/cert$/, 'key')));
    const ca = names.filter((name) => name.endsWith('.crt')).map(read);
    return own === undefined ? { ca } : { ca, cert: read(own), key: read(own.replace(/cert$/, 'key')) };
  }
}

class HostList {
  readonly #names: ReadonlySet<string>;
  readonly #ranges = new BlockList();

  constructor(entries: readonly string[]) {
    const names: string[] = [];
    for (const entry of entries) {
      const [address = '', bits] = entry.split('/');
      const family = isIP(address);
      if (family === 0 || bits === undefined) names.push(entry);
      else this.#ranges.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
    }
    this.#names = new Set(names);
  }

  has(host: string): boolean {
    const name = withoutPort(host);
    if (this.#names.has(host) || this.#names.has(name)) return true;
    const family = isIP(name);
    return family !== 0 && this.#ranges.check(name, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** `[::1]:5000` → `::1`. */
export function withoutPort(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}
