import { isFault } from '@berth/kit';
import { registryUnreachable } from '../faults.ts';
import { DEFAULT_DOMAIN, LEGACY_DOMAIN } from '../reference.ts';
import { Authorizer } from './authorizer.ts';
import type { Credentials } from './credentials.ts';
import { faultOf, registryError } from './registry-error.ts';
import type { RegistryPolicy } from './settings.ts';
import { type Home, type Received, sameOrigin, type Sent, type Transport } from './transport.ts';

/** Names without a host belong to the default registry, which answers under this one. */
const DEFAULT_REGISTRY_HOST = LEGACY_DOMAIN;

export interface SessionDeps {
  readonly transport: Transport;
  readonly policy: RegistryPolicy;
}

/** One operation's conversation with one registry: where it is, and how it lets us in. */
export class Session {
  readonly home: Home;
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;

  private constructor(transport: Transport, home: Home, authorizer: Authorizer) {
    this.#transport = transport;
    this.home = home;
    this.#authorizer = authorizer;
  }

  /**
   * Where a name's registry answers: HTTPS, or for an insecure one also plain HTTP. The first that answers is taken.
   * Faults: `registry-forbidden`, `registry-unreachable` with the last failure.
   */
  static async open(deps: SessionDeps, host: string, credentials: Credentials, signal?: AbortSignal): Promise<Session> {
    deps.policy.requireAllowed(host);
    const real = host === DEFAULT_DOMAIN ? DEFAULT_REGISTRY_HOST : host;
    const insecure = deps.policy.isInsecure(real);
    const homes: Home[] = [{ host: real, protocol: 'https:', unchecked: insecure }];
    if (insecure) homes.push({ host: real, protocol: 'http:', unchecked: true });
    return Session.#first(deps, homes, credentials, signal);
  }

  /** A mirror the operator set. Credentials are for the registry, not for it. */
  static openMirror(deps: SessionDeps, mirror: URL, signal?: AbortSignal): Promise<Session> {
    const protocol = mirror.protocol === 'http:' ? 'http:' : 'https:';
    return Session.#first(deps, [{ host: mirror.host, protocol, unchecked: deps.policy.isInsecure(mirror.host) }], {}, signal);
  }

  static async #first({ transport }: SessionDeps, homes: readonly Home[], credentials: Credentials, signal?: AbortSignal): Promise<Session> {
    let failure: unknown = registryUnreachable('no address of the registry is known');
    for (const home of homes) {
      const session = new Session(transport, home, new Authorizer(transport, home, credentials));
      try {
        const answer = await transport.send(session.url('/v2/'), home, { method: 'GET', signal });
        answer.body.destroy();
        if (answer.status === 401) session.#authorizer.learn(answer);
        return session;
      } catch (error) {
        signal?.throwIfAborted();
        if (!isFault(error, 'registry-unreachable')) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  url(path: string): URL {
    return new URL(`${this.home.protocol}//${this.home.host}${path}`);
  }

  /**
   * A request with whatever authorization it takes. Redirects are followed when there is no body. The answer may be any
   * status; a 401 has been tried again with what it asked for.
   */
  async send(url: URL, sent: Sent, scopes: readonly string[]): Promise<Received> {
    for (let again = false; ; again = true) {
      const own = sameOrigin(url, this.url('/'));
      const authorization = own ? await this.#authorizer.header(sent.method, url, scopes, sent.signal) : undefined;
      const headers = { ...sent.headers, ...(authorization === undefined ? {} : { authorization }) };
      const { body, ...bodiless } = sent;
      const answer = await (body === undefined
        ? this.#transport.follow(url, this.home, { ...bodiless, headers })
        : this.#transport.send(url, this.home, { ...sent, headers }));
      if (answer.status !== 401 || again || !own) return answer;
      const worthwhile = this.#authorizer.learn(answer);
      // A stream has been used up.
      if (!worthwhile || (body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body))) return answer;
      answer.body.destroy();
    }
  }

  /** As `send`, but what is none of `statuses` becomes the registry's own error. */
  async ask(url: URL, sent: Sent, scopes: readonly string[], statuses: readonly number[]): Promise<Received> {
    const answer = await this.send(url, sent, scopes);
    if (statuses.includes(answer.status)) return answer;
    throw faultOf(answer.status, await registryError(answer));
  }
}
