import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import { getCACertificates } from 'node:tls';
import { Agent, request } from 'undici';
import { redirectRefused } from '../faults.ts';
import { connectionFault } from './connection-fault.ts';
import { isInternalAddress, publicLookup } from './internal-address.ts';
import { type RegistryPolicy, withoutPort } from './settings.ts';

/** The registry somebody named, or a mirror the operator named: where we are at home. */
export interface Home {
  /** With the port, as in `https://HOST/`. */
  readonly host: string;
  readonly protocol: 'http:' | 'https:';
  /** Certificates are not checked. */
  readonly unchecked: boolean;
}

export interface Sent {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | Readable;
  readonly signal?: AbortSignal | undefined;
}

export interface Received {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Has to be read to its end or destroyed. */
  readonly body: Readable;
  readonly url: URL;
}

const CONNECT_MS = 15_000;
/** Without a byte for so long, a connection counts as cut. */
const SILENCE_MS = 60_000;
const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * HTTP to registries, and to where they send us: storage and token servers. Beyond the registry's own host only public
 * addresses (and those the operator trusts) are talked to, never without encryption when the registry has it, and never
 * with credentials meant for the registry.
 */
export class Transport implements AsyncDisposable {
  readonly #policy: RegistryPolicy;
  readonly #agents = new Map<string, Agent>();

  constructor(policy: RegistryPolicy) {
    this.#policy = policy;
  }

  /** One exchange. A failed connection is a Fault in Docker's words, `registry-unreachable`. */
  async send(url: URL, home: Home, { method, headers, body, signal }: Sent): Promise<Received> {
    const agent = this.#agentFor(url, home);
    try {
      const answer = await request(url, {
        dispatcher: agent,
        method,
        headers: { 'user-agent': 'berth', ...headers },
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
        headersTimeout: SILENCE_MS,
        bodyTimeout: SILENCE_MS,
      });
      const plain = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]));
      // Whoever reads the body gets its error; before and after that nobody listens.
      answer.body.on('error', () => undefined);
      return { status: answer.statusCode, headers: plain, body: answer.body, url };
    } catch (error) {
      signal?.throwIfAborted();
      throw connectionFault(method, url, error);
    }
  }

  /** As `send`, and on to where the answer points. Elsewhere the headers are not taken along, but for `Range`. */
  async follow(url: URL, home: Home, sent: Omit<Sent, 'body'>): Promise<Received> {
    let at = url;
    for (let steps = 0; ; steps++) {
      const headers = sameOrigin(at, url) ? (sent.headers ?? {}) : only(sent.headers, 'range');
      const answer = await this.send(at, home, { ...sent, headers });
      const location = answer.headers['location'];
      if (!REDIRECTS.has(answer.status) || location === undefined) return answer;
      answer.body.destroy();
      if (steps === MAX_REDIRECTS) throw redirectRefused(url.host, 'it sends us on without end');
      at = resolved(location, at);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const agents = [...this.#agents.values()];
    this.#agents.clear();
    await Promise.all(agents.map((agent) => agent.destroy()));
  }

  #agentFor(url: URL, home: Home): Agent {
    if (url.protocol !== 'https:' && url.protocol !== 'http:') throw redirectRefused(home.host, `${url.protocol}// is no way to fetch anything`);
    if (url.protocol === 'http:' && home.protocol === 'https:') throw redirectRefused(home.host, `${url.host} is not encrypted`);
    const own = withoutPort(url.host) === withoutPort(home.host);
    const guarded = !own && !this.#policy.isTrusted(url.host);
    const literal = withoutPort(url.hostname);
    if (guarded && (isIP(literal) === 0 ? /(^|\.)localhost$/.test(literal) : isInternalAddress(literal))) {
      throw redirectRefused(home.host, `${url.host} is an internal address`);
    }
    const certificates = this.#policy.certificates(url.host);
    const unchecked = own && home.unchecked;
    const key = JSON.stringify([guarded, unchecked, certificates]);
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const { ca, ...pair } = certificates;
    const agent = new Agent({
      connections: 8,
      pipelining: 1,
      connect: {
        timeout: CONNECT_MS,
        rejectUnauthorized: !unchecked,
        ...(url.protocol === 'https:' ? { ca: [...systemAuthorities(), ...ca], ...pair } : {}),
        ...(guarded ? { lookup: publicLookup } : {}),
      },
    });
    this.#agents.set(key, agent);
    return agent;
  }
}

/** The machine's own authorities, as other programs on it have them; Node's where it has none. */
function systemAuthorities(): string[] {
  const system = getCACertificates('system');
  return system.length > 0 ? system : getCACertificates('default');
}

export function resolved(location: string, base: URL): URL {
  try {
    return new URL(location, base);
  } catch {
    throw redirectRefused(base.host, 'it names no place that could be understood');
  }
}

export function sameOrigin(a: URL, b: URL): boolean {
  return a.protocol === b.protocol && a.host === b.host;
}

function only(headers: Readonly<Record<string, string>> | undefined, name: string): Record<string, string> {
  const value = headers?.[name];
  return value === undefined ? {} : { [name]: value };
}
