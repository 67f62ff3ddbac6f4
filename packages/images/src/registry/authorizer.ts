import { z } from 'zod';
import { registryLied, registryUnauthenticated } from '../faults.ts';
import { wholeBody } from './answer-body.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { requestLine } from './connection-fault.ts';
import { basicAuthorization, type Credentials } from './credentials.ts';
import { faultOf, registryError } from './registry-error.ts';
import { type Home, type Received, resolved, type Transport } from './transport.ts';

const TOKEN_LIMIT_BYTES = 1 << 20;
/** What a token server says, or this when it says nothing; never used to the last second. */
const DEFAULT_SECONDS = 60;
const MARGIN_MS = 5_000;

const tokenAnswer = z.object({ token: z.string().optional(), access_token: z.string().optional(), expires_in: z.number().optional() });

/**
 * Finds the Authorization a registry wants: none, Basic, or a Bearer token from the server its challenge names (the
 * distribution project's "token authentication specification"). Lives as long as one operation: nothing is kept for others.
 */
export class Authorizer {
  readonly #transport: Transport;
  readonly #home: Home;
  readonly #credentials: Credentials;
  #challenge: Challenge | undefined;
  readonly #tokens = new Map<string, { readonly token: string; readonly untilMs: number }>();

  constructor(transport: Transport, home: Home, credentials: Credentials) {
    this.#transport = transport;
    this.#home = home;
    this.#credentials = credentials;
  }

  /** Learns from an answer's challenge. True: it is worth asking again. */
  learn(answer: Received): boolean {
    const challenges = parseChallenges(answer.headers['www-authenticate'] ?? '');
    const known = this.#challenge;
    this.#challenge = challenges.find(({ scheme }) => scheme === 'bearer') ?? challenges.find(({ scheme }) => scheme === 'basic') ?? known;
    // A token that has just been refused is of no use any more; a second one for the same will not be tried.
    if (known?.scheme === 'bearer') this.#tokens.clear();
    return known === undefined && this.#challenge !== undefined;
  }

  /** For a request with these scopes (`repository:a/b:pull`). Faults: `registry-unauthenticated`. */
  async header(method: string, url: URL, scopes: readonly string[], signal?: AbortSignal): Promise<string | undefined> {
    if (this.#credentials.registryToken !== undefined && this.#credentials.registryToken !== '') return `Bearer ${this.#credentials.registryToken}`;
    const challenge = this.#challenge;
    if (challenge === undefined) return undefined;
    if (challenge.scheme === 'bearer') return `Bearer ${await this.#token(challenge, scopes, requestLine(method, url), signal)}`;
    const basic = basicAuthorization(this.#credentials);
    if (basic === undefined) throw registryUnauthenticated(`${requestLine(method, url)}: no basic auth credentials`);
    return basic;
  }

  async #token({ parameters }: Challenge, scopes: readonly string[], asking: string, signal: AbortSignal | undefined): Promise<string> {
    const key = scopes.join(' ');
    const known = this.#tokens.get(key);
    if (known !== undefined && known.untilMs > Date.now()) return known.token;
    const realm = resolved(parameters.get('realm') ?? '', new URL(`${this.#home.protocol}//${this.#home.host}/`));
    const service = parameters.get('service');
    const { identityToken, username } = this.#credentials;
    const query = new URLSearchParams();
    if (service !== undefined) query.set('service', service);
    let answer: Received;
    if (identityToken !== undefined && identityToken !== '') {
      query.set('grant_type', 'refresh_token');
      query.set('client_id', 'berth');
      query.set('refresh_token', identityToken);
      if (scopes.length > 0) query.set('scope', scopes.join(' '));
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      answer = await this.#transport.send(realm, this.#home, { method: 'POST', headers, body: query.toString(), signal });
    } else {
      for (const scope of scopes) query.append('scope', scope);
      const basic = basicAuthorization(this.#credentials);
      if (basic !== undefined) query.set('account', username ?? '');
      const url = new URL(realm);
      for (const [name, value] of query) url.searchParams.append(name, value);
      // Not followed anywhere: the password goes to the realm and to nobody else.
      answer = await this.#transport.send(url, this.#home, { method: 'GET', headers: basic === undefined ? {} : { authorization: basic }, signal });
    }
    if (answer.status !== 200) {
      const error = await registryError(answer);
      throw faultOf(answer.status, { ...error, sentence: `${asking}: ${error.sentence}` });
    }
    const body = await wholeBody(answer, TOKEN_LIMIT_BYTES, 'a token');
    const parsed = tokenAnswer.safeParse(parseJson(body));
    const token = parsed.data?.token ?? parsed.data?.access_token;
    if (token === undefined || token === '' || /[^\x21-\x7e]/.test(token)) throw registryLied(`${realm.host} gave no token`);
    this.#tokens.set(key, { token, untilMs: Date.now() + (parsed.data?.expires_in ?? DEFAULT_SECONDS) * 1000 - MARGIN_MS });
    return token;
  }
}

function parseJson(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString());
  } catch {
    return undefined;
  }
}
