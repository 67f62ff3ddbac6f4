import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { NicSpec } from '@berth/runtime';
import { ipBatch, NetworkNamespace, run, type RunResult } from '@berth/sys';

/** A stand-in for a container's VM: a network namespace whose eth0 is a port of the bridge that the NicSpec names. */
export class Guest implements AsyncDisposable {
  readonly namespace: NetworkNamespace;
  readonly nic: NicSpec;

  private constructor(namespace: NetworkNamespace, nic: NicSpec) {
    this.namespace = namespace;
    this.nic = nic;
  }

  static async make(nic: NicSpec): Promise<Guest> {
    const guest = new Guest(await NetworkNamespace.make(), nic);
    await guest.plug(nic);
    return guest;
  }

  /** One more network card. */
  async plug(nic: NicSpec): Promise<void> {
    const port = `vt${randomBytes(4).toString('hex')}`;
    await ipBatch([
      `link add ${port} mtu ${nic.mtu} type veth peer name ${nic.name} address ${nic.mac} mtu ${nic.mtu} netns ${this.namespace.name}`,
      `link set ${port} master ${nic.bridge} up`,
    ]);
    await this.namespace.run('ip', ['-batch', '-'], {
      input: [
        `addr add ${nic.ipv4.address}/${nic.ipv4.prefix} dev ${nic.name}`,
        `link set ${nic.name} up`,
        ...(nic.ipv6 === undefined ? [] : [`addr add ${nic.ipv6.address}/${nic.ipv6.prefix} dev ${nic.name} nodad`]),
        ...(nic.gateway === undefined ? [] : [`route add default via ${nic.gateway}`]),
        ...(nic.ipv6Gateway === undefined ? [] : [`route add default via ${nic.ipv6Gateway}`]),
        '',
      ].join('\n'),
    });
  }

  run(command: string, args: readonly string[]): Promise<RunResult> {
    return this.namespace.run(command, args, { accept: [0, 1, 2, 128, 143], timeoutMs: 20_000 });
  }

  /** `<text> <address the other side saw>`, or why there was no answer. */
  ask(protocol: 'tcp' | 'udp', address: string, port: number, waitMs?: number): Promise<string> {
    return ask(protocol, address, port, this.namespace, { waitMs });
  }

  async pings(address: string, waitSeconds = 4): Promise<boolean> {
    return (await this.run('busybox', ['ping', '-c', '1', '-W', String(waitSeconds), address])).exitCode === 0;
  }

  async lookup(name: string, server: string, type = 'a'): Promise<RunResult> {
    return await this.run('busybox', ['nslookup', `-type=${type}`, name, server]);
  }

  /** Answers every connection or datagram with this text and the asker's address. Resolves when it listens. */
  async serve(protocol: 'tcp' | 'udp', port: number, text: string, host?: string): Promise<void> {
    await serve(this.namespace, protocol, port, text, host);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.namespace[Symbol.asyncDispose]();
  }
}

/** Waits until it is so, for at most five seconds. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 5_000;
  while (!(await condition())) if (Date.now() > end) throw new Error('the condition did not come true within 5 s');
}

const peer = fileURLToPath(new URL('./peer.mjs', import.meta.url));

/** How long to wait for what must not come: a counter shows that the question was sent, and dropped. */
export const briefly = 700;

/** As `Guest.ask`, from the test's own namespace when none is given. */
export async function ask(
  protocol: 'tcp' | 'udp',
  address: string,
  port: number,
  namespace?: NetworkNamespace,
  how: { readonly from?: number; readonly waitMs?: number | undefined } = {},
): Promise<string> {
  const args = [peer, 'ask', protocol, address, String(port), String(how.waitMs ?? 5_000), ...(how.from === undefined ? [] : [String(how.from)])];
  const options = { accept: [0, 1], timeoutMs: 20_000 };
  const { exitCode, stdout, stderr } = await (namespace === undefined ? run(process.execPath, args, options) : namespace.run(process.execPath, args, options));
  return exitCode === 0 ? stdout.trim() : stderr.trim();
}

export async function serve(namespace: NetworkNamespace, protocol: 'tcp' | 'udp', port: number, text: string, host = '0.0.0.0'): Promise<void> {
  const child = namespace.start(process.execPath, [peer, 'serve', protocol, String(port), text, host]);
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('close', () => reject(new Error('the server ended')));
  });
}
