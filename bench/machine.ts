import { readFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { run } from '@berth/sys';

/** What a reader needs to judge the numbers. */
export interface MachineFacts {
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly distribution: string;
  readonly qemu: string;
  readonly dockerd: string;
  readonly runc: string;
  readonly dockerCli: string;
  readonly podman: string;
  readonly node: string;
  /** Load average of the last minute when the run began: other work on the machine disturbs the figures. */
  readonly loadAtStart: number;
}

export async function machineFacts(): Promise<MachineFacts> {
  const said = async (command: string, args: readonly string[]) => {
    const answer = await run(command, args, { timeoutMs: 10_000 }).catch(() => undefined);
    return answer?.stdout.split('\n')[0]?.trim() ?? 'not installed';
  };
  const distribution = /^PRETTY_NAME="?([^"\n]*)/m.exec(await readFile('/etc/os-release', 'utf8').catch(() => ''))?.[1] ?? 'unknown';
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    distribution,
    qemu: await said('qemu-system-x86_64', ['--version']),
    dockerd: await said('dockerd', ['--version']),
    runc: await said('runc', ['--version']),
    dockerCli: await said('docker', ['--version']),
    podman: await said('podman', ['--version']),
    node: process.version,
    loadAtStart: Number((await readFile('/proc/loadavg', 'utf8')).split(' ')[0]),
  };
}
