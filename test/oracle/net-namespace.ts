import { randomBytes } from 'node:crypto';
import { run } from '@berth/sys';

/** A network namespace of one's own, with loopback up; everything in it goes with it. */
export class NetNamespace implements AsyncDisposable {
  readonly name: string;
  #gone = false;

  private constructor(name: string) {
    this.name = name;
  }

  static async open(label: string): Promise<NetNamespace> {
    const namespace = new NetNamespace(`bt-${label}-${randomBytes(3).toString('hex')}`);
    await run('ip', ['netns', 'add', namespace.name]);
    await run('ip', ['-n', namespace.name, 'link', 'set', 'lo', 'up']);
    return namespace;
  }

  /**
   * Command and arguments that run something inside. `nsenter` rather than `ip netns exec`, which would also replace /sys
   * and so hide the cgroups.
   */
  enter(command: string, args: readonly string[]): [string, string[]] {
    return ['nsenter', [`--net=/run/netns/${this.name}`, command, ...args]];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#gone) return;
    this.#gone = true;
    await run('ip', ['netns', 'delete', this.name]);
  }
}
