import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import type { ContainerSpec, NicSpec, ProcessSpec, Rootfs, RunningContainer, Runtime } from '../port.ts';
import type { Ability } from './abilities.ts';
import { Recorder } from './recorder.ts';

/** A runtime under test, in a world of its own. */
export interface Subject {
  readonly runtime: Runtime;
  /** Has busybox with its usual links in /bin, and /etc/passwd with root and nobody (65534). */
  readonly rootfs: Rootfs;
  /** Two networks to be on (with the ability `network`): a NIC on the first and one on the second. */
  readonly nics?: readonly [NicSpec, NicSpec];
  /** Makes a file with an empty ext4 file system of 64 MiB (with the ability `mounts`). */
  disk?(path: string): Promise<void>;
  /** The daemon dies and comes back: gives a new runtime over the same state. */
  reopen(): Promise<Runtime>;
}

export interface ConformanceOptions {
  readonly name: string;
  readonly subject: () => Subject;
  readonly cannot: readonly Ability[];
  /** For one test; default 60 s. */
  readonly limitMs?: number;
}

const limits = { memoryBytes: 96 << 20 };
const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What each test gets: starts containers and removes them again, whatever happens. */
export class Trial {
  readonly #options: ConformanceOptions;
  readonly #started: string[] = [];

  constructor(options: ConformanceOptions) {
    this.#options = options;
  }

  get subject(): Subject {
    return this.#options.subject();
  }

  get runtime(): Runtime {
    return this.subject.runtime;
  }

  process(args: readonly string[], changes: Partial<ProcessSpec> = {}): ProcessSpec {
    const none = {
      additionalGroups: [],
      rlimits: [],
      capabilities: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETGID', 'SETUID', 'KILL', 'NET_RAW', 'NET_BIND_SERVICE'],
    };
    return { args, env: [path], cwd: '/', user: '', terminal: false, stdin: false, noNewPrivileges: false, ...none, ...changes };
  }

  spec(args: readonly string[], changes: Partial<Omit<ContainerSpec, 'process'>> & { readonly process?: Partial<ProcessSpec> } = {}): ContainerSpec {
    const { process, ...rest } = changes;
    return {
      id: randomBytes(32).toString('hex'),
      rootfs: this.subject.rootfs,
      readonlyRootfs: false,
      process: this.process(args, process),
      hostname: 'trial',
      domainname: '',
      files: { hosts: '127.0.0.1\tlocalhost\n', resolvConf: 'nameserver 192.0.2.1\n', hostname: 'trial\n' },
      mounts: [],
      sysctls: {},
      limits,
      networks: [],
      init: false,
      shmBytes: 16 << 20,
      ...rest,
    };
  }

  /** Whatever becomes of it, nothing of it is left after the test. */
  cleansUp(id: string): void {
    if (!this.#started.includes(id)) this.#started.push(id);
  }

  /** Starts it with a recorder as its sink. */
  async start(spec: ContainerSpec, recorder = new Recorder()): Promise<{ container: RunningContainer; recorder: Recorder }> {
    this.cleansUp(spec.id);
    return { container: await this.runtime.start(spec, recorder), recorder };
  }

  /** Runs a command to its end and gives its code and output. */
  async run(args: readonly string[], changes: Parameters<Trial['spec']>[1] = {}) {
    const { container, recorder } = await this.start(this.spec(args, changes));
    const status = await container.exited;
    await container.destroy();
    return { ...status, stdout: recorder.text('stdout'), stderr: recorder.text('stderr') };
  }

  async clean(): Promise<void> {
    for (const id of this.#started) {
      await this.runtime.stopLeftovers(id);
      await this.runtime.remove(id);
    }
  }
}

export type Define = (name: string, body: (trial: Trial, context: TestContext) => Promise<void>, needs?: readonly Ability[]) => void;

/** Defines a test that skips aloud when the runtime lacks what it needs, and that cleans up behind itself. */
export function definer(options: ConformanceOptions): Define {
  return (name, body, needs = []) => {
    const lacking = needs.filter((ability) => options.cannot.includes(ability));
    const skip = lacking.length > 0 ? `this runtime has no ${lacking.join(', ')}` : false;
    test(name, { timeout: options.limitMs ?? 60_000, skip }, async (context) => {
      const trial = new Trial(options);
      try {
        await body(trial, context);
      } finally {
        await trial.clean();
      }
    });
  };
}
