import { descendants, type DockerCli, Oracle } from '../test/oracle/index.ts';

/** One of the systems compared, ready to run busybox. */
export interface Side extends AsyncDisposable {
  readonly name: 'berth' | 'dockerd';
  readonly docker: DockerCli;
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
    daemonPids: () => [...settled],
    containerPids: () => oracle.pids().filter((pid) => !settled.has(pid)),
    [Symbol.asyncDispose]: () => oracle[Symbol.asyncDispose](),
  };
}

export { descendants };
