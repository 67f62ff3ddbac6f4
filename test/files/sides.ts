import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Berth } from '../berth/index.ts';
import { type DockerCli, Oracle, writeBusyboxImage } from '../oracle/index.ts';

export interface Side {
  readonly name: 'dockerd' | 'Berth';
  readonly docker: DockerCli;
  /** Files of this side on the host. */
  readonly host: string;
}

/** Berth and a real dockerd, each with a folder of its own: the same is done on both. */
export class Sides implements AsyncDisposable {
  readonly #berth: Berth;
  readonly #oracle: Oracle;
  /** For files of neither side. */
  readonly directory: string;
  readonly all: readonly [Side, Side];

  private constructor(berth: Berth, oracle: Oracle, directory: string) {
    this.#berth = berth;
    this.#oracle = oracle;
    this.directory = directory;
    this.all = [
      { name: 'dockerd', docker: oracle.docker, host: join(directory, 'theirs') },
      { name: 'Berth', docker: berth.docker, host: join(directory, 'ours') },
    ];
  }

  static async open(): Promise<Sides> {
    const [berth, oracle] = await Promise.all([Berth.open(), Oracle.open()]);
    const sides = new Sides(berth, oracle, await mkdtemp(join(tmpdir(), 'bt-files-')));
    // The same image on both.
    const archive = join(sides.directory, 'busybox.tar');
    await writeBusyboxImage(archive);
    await berth.docker.ok(['load', '-q', '-i', archive]);
    return sides;
  }

  get berth(): Berth {
    return this.#berth;
  }

  get oracle(): Oracle {
    return this.#oracle;
  }

  /** On both at once: what dockerd gave, and what Berth gave. */
  async both<T>(work: (side: Side) => Promise<T>): Promise<readonly [T, T]> {
    const [theirs, ours] = this.all;
    return await Promise.all([work(theirs), work(ours)]);
  }

  /** What is the side's own taken out, and what the client itself may or may not say of a pipe that was closed. */
  normalise(text: string, side: Side): string {
    const merged = new RegExp(`${this.#oracle.directory}/[^ "]*?/merged`, 'g');
    return text
      .replaceAll(side.host, '@')
      .replaceAll(merged, '')
      .replaceAll(/^time=.* level=error msg="Can't (?:add file|close tar writer).*\n/gm, '')
      .replaceAll(/\b[0-9a-f]{64}\b/g, 'ID');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#berth[Symbol.asyncDispose](), this.#oracle[Symbol.asyncDispose]()]);
    await rm(this.directory, { recursive: true, force: true });
  }
}
