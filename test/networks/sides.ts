import assert from 'node:assert/strict';
import { Berth } from '../berth/index.ts';
import { normalise, words } from '../clients/words.ts';
import { run as start } from '@berth/sys';
import { type CliResult, Oracle } from '../oracle/index.ts';

/** One question to both daemons. */
export interface Question {
  readonly run: string;
  /** What Berth says where it is meant to say something else, and why. */
  readonly differs?: { readonly why: string; readonly says: RegExp };
  /** From the daemon's network namespace instead of by its docker client. */
  readonly fromHost?: boolean;
}

/** Both daemons, each in a network namespace of its own. */
export class Sides implements AsyncDisposable {
  readonly oracle: Oracle;
  readonly berth: Berth;

  private constructor(oracle: Oracle, berth: Berth) {
    this.oracle = oracle;
    this.berth = berth;
  }

  static async open(): Promise<Sides> {
    const [oracle, berth] = await Promise.allSettled([Oracle.open(), Berth.open()]);
    if (oracle.status === 'fulfilled' && berth.status === 'fulfilled') return new Sides(oracle.value, berth.value);
    for (const side of [oracle, berth]) if (side.status === 'fulfilled') await side.value[Symbol.asyncDispose]();
    throw [oracle, berth].find((side) => side.status === 'rejected')?.reason;
  }

  /** The same answer from both, but for what differs between any two daemons, or the one that is meant to differ. */
  async ask(given: string | Question): Promise<void> {
    const question = typeof given === 'string' ? { run: given } : given;
    const [theirs, ours] = (await Promise.all([this.#answer(this.oracle, question), this.#answer(this.berth, question)])).map(told) as [string, string];
    const report = `docker ${question.run}\n--- dockerd:\n${theirs}\n--- Berth:\n${ours}`;
    if (question.differs === undefined) assert.equal(ours, theirs, report);
    else assert.match(ours, question.differs.says, report);
  }

  /** One after the other. */
  async askAll(questions: readonly (string | Question)[]): Promise<void> {
    for (const question of questions) await this.ask(question);
  }

  async #answer(side: Oracle | Berth, { run, fromHost }: Question): Promise<CliResult> {
    if (fromHost !== true) return await side.docker.run(words(run));
    const [command, args] = side.netns.enter('sh', ['-c', run]);
    const result = await start(command, args, { timeoutMs: 30_000, accept: Array.from({ length: 256 }, (_, code) => code) });
    return { ...result, wallMs: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.berth[Symbol.asyncDispose]();
    await this.oracle[Symbol.asyncDispose]();
  }
}

/** dockerd 20.10 spells two addresses of /etc/hosts otherwise than 28, and its resolver is on a loopback address. */
function told({ exitCode, stdout, stderr }: CliResult): string {
  const text = normalise(`${stdout}\n${stderr}`)
    .replace(/\b(fe|ff)00::0\b/g, '$100::')
    .replace(/run 'docker run --help' for more information/g, '');
  return `${text.trim()}\nexit ${exitCode}`;
}
