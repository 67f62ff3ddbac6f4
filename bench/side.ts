import { type CliOptions, type CliResult, type NetNamespace, Oracle } from '../test/oracle/index.ts';

/** A docker-like command, and where it goes. `DockerCli` is one. */
export interface Cli {
  run(args: readonly string[], options?: CliOptions): Promise<CliResult>;
  /** Throws unless the exit code is 0. */
  ok(args: readonly string[], options?: CliOptions): Promise<string>;
  /** Empty when there is no daemon. */
  readonly socketPath: string;
}

/** One of the systems compared, ready to run busybox. */
export interface Side extends AsyncDisposable {
  readonly name: 'berth' | 'dockerd' | 'podman';
  readonly docker: Cli;
  /** Where the daemon's network is, when it has one of its own. */
  readonly netns?: NetNamespace;
  /** Pids of the daemon itself and what it needs to live (containerd), without containers. */
  daemonPids(): number[];
  /** Pids of all that isolates and supervises containers (QEMU and helpers, or shims and the containers' processes). */
  containerPids(): number[];
}

/** dockerd + runc, fresh. */
export async function openDockerd(): Promise<Side> {
  const oracle = await Oracle.open();
  const settled = new Set(oracle.pids());
  return {
    name: 'dockerd',
    docker: oracle.docker,
    netns: oracle.netns,
    daemonPids: () => [...settled],
    containerPids: () => oracle.pids().filter((pid) => !settled.has(pid)),
    [Symbol.asyncDispose]: () => oracle[Symbol.asyncDispose](),
  };
}
