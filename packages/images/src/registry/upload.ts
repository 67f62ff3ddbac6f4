import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { registryLied } from '../faults.ts';
import { connectionFault } from './connection-fault.ts';
import type { Repository } from './repository.ts';
import { resolved, type Received } from './transport.ts';

export interface Uploaded {
  readonly digest: string;
  readonly sizeBytes: number;
}

const PROGRESS_BYTES = 512 * 1024;

/** Sending blobs and manifests to one repository (OCI distribution-spec, "Push"). */
export class Uploader {
  readonly #repository: Repository;
  readonly #signal: AbortSignal | undefined;

  constructor(repository: Repository, signal: AbortSignal | undefined) {
    this.#repository = repository;
    this.#signal = signal;
  }

  get #scopes(): readonly string[] {
    return [`repository:${this.#repository.path}:pull,push`];
  }

  /** Asks for a right to push before anything is prepared. */
  async has(digest: string): Promise<boolean> {
    const url = this.#url(`blobs/${digest}`);
    const answer = await this.#repository.session.ask(url, { method: 'HEAD', signal: this.#signal }, this.#scopes, [200, 404]);
    answer.body.destroy();
    return answer.status === 200;
  }

  /** Takes a blob over from another repository of the same registry, where the registry does that. */
  async mount(digest: string, from: string): Promise<boolean> {
    const url = this.#url('blobs/uploads/');
    url.searchParams.set('mount', digest);
    url.searchParams.set('from', from);
    const scopes = [...this.#scopes, `repository:${from}:pull`];
    const answer = await this.#repository.session.send(url, { method: 'POST', signal: this.#signal }, scopes);
    answer.body.destroy();
    if (answer.status === 202) await this.#cancel(answer);
    return answer.status === 201;
  }

  /** Sends a blob whose digest shows when all of it has been sent. `expected` is held against it. */
  async blob(open: () => Readable, expected: string | undefined, progress: (bytes: number) => void): Promise<Uploaded> {
    const { session } = this.#repository;
    const begun = await this.#begin();
    const hash = createHash('sha256');
    let sizeBytes = 0;
    let told = 0;
    const source = open();
    async function* counted(): AsyncGenerator<Buffer> {
      for await (const chunk of source) {
        hash.update(chunk as Buffer);
        sizeBytes += (chunk as Buffer).length;
        if (sizeBytes - told >= PROGRESS_BYTES) progress((told = sizeBytes));
        yield chunk as Buffer;
      }
    }
    const headers = { 'content-type': 'application/octet-stream' };
    try {
      const body = Readable.from(counted(), { objectMode: false, highWaterMark: 1 << 20 });
      const sent = await session.ask(place(begun), { method: 'PATCH', headers, body, signal: this.#signal }, this.#scopes, [202, 204]);
      sent.body.destroy();
      const digest = `sha256:${hash.digest('hex')}`;
      if (expected !== undefined && digest !== expected) throw registryLied(`layer ${expected} is not what it was when it was pushed before`);
      await this.#finish(sent, digest);
      return { digest, sizeBytes };
    } catch (error) {
      await this.#cancel(begun);
      throw connectionFault('PATCH', place(begun), error);
    } finally {
      source.destroy();
    }
  }

  /** A small blob in one request. */
  async document(data: Buffer, digest: string): Promise<void> {
    if (await this.has(digest)) return;
    const begun = await this.#begin();
    await this.#finish(begun, digest, data);
  }

  async manifest(reference: string, mediaType: string, body: Buffer, digest: string): Promise<void> {
    const url = this.#url(`manifests/${reference}`);
    const answer = await this.#repository.session.ask(
      url,
      { method: 'PUT', headers: { 'content-type': mediaType }, body, signal: this.#signal },
      this.#scopes,
      [201],
    );
    answer.body.destroy();
    const theirs = answer.headers['docker-content-digest'];
    if (theirs !== undefined && theirs !== digest) throw registryLied(`the registry took manifest ${digest} for ${theirs}`);
  }

  async #finish(at: Received, digest: string, body?: Buffer): Promise<void> {
    const url = place(at);
    url.searchParams.set('digest', digest);
    const headers = body === undefined ? { 'content-length': '0' } : { 'content-type': 'application/octet-stream' };
    const sent = { method: 'PUT', headers, signal: this.#signal, ...(body === undefined ? {} : { body }) } as const;
    const answer = await this.#repository.session.ask(url, sent, this.#scopes, [201, 204]);
    answer.body.destroy();
  }

  /** Opens an upload; its place is in the answer. */
  async #begin(): Promise<Received> {
    const sent = { method: 'POST', headers: { 'content-length': '0' }, signal: this.#signal } as const;
    const begun = await this.#repository.session.ask(this.#url('blobs/uploads/'), sent, this.#scopes, [202]);
    begun.body.destroy();
    return begun;
  }

  /** Nothing half-sent is left with the registry; should that fail, it cleans up by itself one day. */
  async #cancel(begun: Received): Promise<void> {
    try {
      const signal = AbortSignal.timeout(2_000);
      (await this.#repository.session.send(place(begun), { method: 'DELETE', signal }, this.#scopes)).body.destroy();
    } catch {
      // See above.
    }
  }

  #url(path: string): URL {
    return this.#repository.session.url(`/v2/${this.#repository.path}/${path}`);
  }
}

function place({ headers, url }: Received): URL {
  const location = headers['location'];
  if (location === undefined) throw registryLied(`${url.host} does not say where an upload goes`);
  return resolved(location, url);
}
