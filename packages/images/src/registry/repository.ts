import { z } from 'zod';
import { sha256 } from '../digest.ts';
import { registryLied } from '../faults.ts';
import { wholeBody } from './answer-body.ts';
import { ACCEPTED } from './media-types.ts';
import { faultOf, registryError, type RegistryError } from './registry-error.ts';
import type { Session } from './session.ts';
import { type Received, resolved, sameOrigin } from './transport.ts';

const TAGS_LIMIT_BYTES = 4 << 20;
const MAX_TAGS = 100_000;
const tagList = z.object({ tags: z.array(z.string().regex(/^\w[\w.-]{0,127}$/)).nullish() });

/** A manifest or index as the registry has it. */
export interface RemoteDocument {
  readonly digest: string;
  readonly mediaType: string;
  readonly body: Buffer;
}

/** One repository of one registry (OCI distribution-spec), to be read. */
export class Repository {
  readonly session: Session;
  /** As references have it: `docker.io/library/busybox`, also when a mirror answers. */
  readonly fullName: string;
  /** Without the host: `library/busybox`. */
  readonly path: string;
  readonly #limitBytes: number;

  constructor(session: Session, fullName: string, limitBytes: number) {
    this.session = session;
    this.fullName = fullName;
    this.path = pathOf(fullName);
    this.#limitBytes = limitBytes;
  }

  get pulling(): readonly string[] {
    return [`repository:${this.path}:pull`];
  }

  /**
   * By tag or digest. `missing` words the fault of one that isn't there or isn't ours to see. A document is what its
   * digest says or is refused.
   */
  async manifest(reference: string, missing: (error: RegistryError) => Error, signal?: AbortSignal): Promise<RemoteDocument> {
    const url = this.session.url(`/v2/${this.path}/manifests/${reference}`);
    const answer = await this.session.send(url, { method: 'GET', headers: { accept: ACCEPTED }, signal }, this.pulling);
    if (answer.status !== 200) throw await refusal(answer, missing);
    const body = await wholeBody(answer, this.#limitBytes, 'a manifest');
    const digest = sha256(body);
    const wanted = reference.includes(':') ? reference : undefined;
    if (wanted !== undefined && wanted !== digest) throw registryLied(`manifest verification failed for digest ${wanted}`);
    const announced = answer.headers['docker-content-digest'];
    if (announced?.startsWith('sha256:') === true && announced !== digest) throw registryLied(`manifest verification failed for digest ${announced}`);
    return { digest, body, mediaType: (answer.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '' };
  }

  /** What a tag stands for at the moment, if the registry says it shortly. Costs none of the pulls that registries count. */
  async digestOf(tag: string, signal?: AbortSignal): Promise<string | undefined> {
    const url = this.session.url(`/v2/${this.path}/manifests/${tag}`);
    const answer = await this.session.send(url, { method: 'HEAD', headers: { accept: ACCEPTED }, signal }, this.pulling);
    answer.body.destroy();
    const digest = answer.headers['docker-content-digest'];
    return answer.status === 200 && /^sha256:[0-9a-f]{64}$/.test(digest ?? '') ? digest : undefined;
  }

  /** All tags, page by page. */
  async tags(missing: (error: RegistryError) => Error, signal?: AbortSignal): Promise<string[]> {
    const tags: string[] = [];
    for (let url: URL | undefined = this.session.url(`/v2/${this.path}/tags/list`); url !== undefined; ) {
      const answer: Received = await this.session.send(url, { method: 'GET', signal }, this.pulling);
      if (answer.status !== 200) throw await refusal(answer, missing);
      const page = tagList.safeParse(json(await wholeBody(answer, TAGS_LIMIT_BYTES, 'a list of tags')));
      if (!page.success) throw registryLied(`${url.host} gave something else than a list of tags`);
      tags.push(...(page.data.tags ?? []));
      if (tags.length > MAX_TAGS) throw registryLied(`${url.host} has more than ${MAX_TAGS} tags in ${this.path}`);
      const next: string | undefined = /<([^>]*)>\s*;\s*rel="?next"?/.exec(answer.headers['link'] ?? '')?.[1];
      const following: URL | undefined = next === undefined ? undefined : resolved(next, url);
      if (following !== undefined && (!sameOrigin(following, url) || following.href === url.href)) throw registryLied(`${url.host} has no next page`);
      url = following;
    }
    return tags;
  }

  /** The bytes of a blob, from `offset` on when the registry can; the status (200 or 206) says whether it did. */
  async blob(digest: string, offset: number, signal?: AbortSignal): Promise<Received> {
    const headers = offset === 0 ? {} : { range: `bytes=${offset}-` };
    return this.session.ask(this.session.url(`/v2/${this.path}/blobs/${digest}`), { method: 'GET', headers, signal }, this.pulling, [200, 206, 416]);
  }
}

export function hostOf(fullName: string): string {
  return fullName.slice(0, fullName.indexOf('/'));
}

export function pathOf(fullName: string): string {
  return fullName.slice(fullName.indexOf('/') + 1);
}

async function refusal(answer: Received, missing: (error: RegistryError) => Error): Promise<Error> {
  const error = await registryError(answer);
  return answer.status === 404 || ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN', 'DENIED'].includes(error.code) ? missing(error) : faultOf(answer.status, error);
}

export function json(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString());
  } catch {
    return undefined;
  }
}
