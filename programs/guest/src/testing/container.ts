import type { ContainerSpec, ExecSink, OutputSink, ProcessSpec } from '@berth/runtime';

/** Docker's fourteen. */
export const DOCKER_CAPABILITIES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FSETID',
  'FOWNER',
  'MKNOD',
  'NET_RAW',
  'SETGID',
  'SETUID',
  'SETFCAP',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
  'KILL',
  'AUDIT_WRITE',
];

export function processSpec(args: readonly string[], changes: Partial<ProcessSpec> = {}): ProcessSpec {
  return {
    args,
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    cwd: '/',
    user: '',
    additionalGroups: [],
    terminal: false,
    stdin: false,
    rlimits: [],
    capabilities: DOCKER_CAPABILITIES,
    noNewPrivileges: false,
    ...changes,
  };
}

export function containerSpec(process: ProcessSpec, changes: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    id: 'test',
    rootfs: { layers: [] },
    readonlyRootfs: false,
    process,
    hostname: 'box',
    domainname: '',
    files: { hosts: '127.0.0.1\tlocalhost\n', resolvConf: 'nameserver 192.0.2.53\n', hostname: 'box\n' },
    mounts: [],
    sysctls: {},
    limits: {},
    networks: [],
    init: false,
    shmBytes: 64 << 20,
    ...changes,
  };
}

/** Keeps everything; insists that pieces continue where the last one ended. */
export class Recorder implements OutputSink, ExecSink {
  position = 0;
  readonly pieces: { readonly stream: 'stdout' | 'stderr'; readonly data: Buffer }[] = [];

  write(stream: 'stdout' | 'stderr', data: Buffer, offset?: number): void {
    if (offset !== undefined && offset !== this.position) throw new Error(`a piece at ${offset}, expected ${this.position}`);
    this.position += data.length;
    this.pieces.push({ stream, data });
  }

  bytes(stream?: 'stdout' | 'stderr'): Buffer {
    return Buffer.concat(this.pieces.filter((p) => stream === undefined || p.stream === stream).map((p) => p.data));
  }

  text(stream?: 'stdout' | 'stderr'): string {
    return this.bytes(stream).toString();
  }

  /** Waits until what was written so far matches. */
  async until(pattern: RegExp, timeoutMs = 20_000): Promise<string> {
    for (const end = Date.now() + timeoutMs; ; ) {
      const text = this.text();
      if (pattern.test(text)) return text;
      if (Date.now() > end) throw new Error(`waited for ${pattern}, got: ${text.slice(-500)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
