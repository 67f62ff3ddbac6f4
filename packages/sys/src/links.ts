import { readFileSync } from 'node:fs';
import { run } from './run.ts';

/** A network link as `ip -j -d link` tells it; only what is used here. */
export interface Link {
  readonly ifname: string;
  /** Free text given at creation; `''` when none. */
  readonly alias: string;
  /** `bridge`, `tun`, `veth`, …; `''` for real hardware. */
  readonly kind: string;
  /** The bridge it is attached to. */
  readonly master: string | undefined;
  readonly mtu: number;
  readonly up: boolean;
  readonly mac: string;
}

interface RawLink {
  readonly ifname?: string;
  readonly ifalias?: string;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly master?: string;
  readonly mtu?: number;
  readonly flags?: readonly string[];
  readonly address?: string;
}

/** All links of the calling process's network namespace, or only those of one kind. */
export async function listLinks(options: { kind?: string } = {}): Promise<Link[]> {
  const args = ['-j', '-d', 'link', 'show', ...(options.kind === undefined ? [] : ['type', options.kind])];
  const { stdout } = await run('ip', args, { timeoutMs: 10_000 });
  const raw = stdout.trim() === '' ? [] : (JSON.parse(stdout) as RawLink[]);
  return raw
    .filter((link) => link.ifname !== undefined)
    .map((link) => ({
      ifname: link.ifname ?? '',
      alias: link.ifalias ?? '',
      kind: link.linkinfo?.info_kind ?? '',
      master: link.master,
      mtu: link.mtu ?? 0,
      up: link.flags?.includes('UP') ?? false,
      mac: link.address ?? '',
    }));
}

/** Addresses (`a.b.c.d/prefix`) that a link has, IPv4 only. */
export async function listIpv4Addresses(ifname: string): Promise<string[]> {
  const { stdout } = await run('ip', ['-j', '-4', 'addr', 'show', 'dev', ifname], { timeoutMs: 10_000 });
  const raw = stdout.trim() === '' ? [] : (JSON.parse(stdout) as { addr_info?: { local?: string; prefixlen?: number }[] }[]);
  return raw.flatMap((link) => (link.addr_info ?? []).map((info) => `${info.local}/${info.prefixlen}`));
}

/**
 * Runs `ip` commands (without the leading `ip`) in one process, in order; stops at the first that fails, and what came
 * before it stays done. Fault `command-failed`.
 */
export async function ipBatch(commands: readonly string[], options: { signal?: AbortSignal; force?: boolean } = {}): Promise<void> {
  if (commands.length === 0) return;
  await run('ip', [...(options.force ? ['-force'] : []), '-batch', '-'], {
    input: `${commands.join('\n')}\n`,
    timeoutMs: 20_000,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.force ? { accept: [0, 1] } : {}),
  });
}

/** An IPv4 destination in the kernel's main table; numbers in host order. */
export interface Route {
  readonly ifname: string;
  readonly destination: number;
  readonly mask: number;
}

/** The main IPv4 routing table, read without starting a process (hence synchronous). The default route has mask 0. */
export function listRoutes(): Route[] {
  const swap = (hex: string) => {
    const little = Number.parseInt(hex, 16);
    return (((little & 0xff) << 24) | ((little & 0xff00) << 8) | ((little >>> 8) & 0xff00) | (little >>> 24)) >>> 0;
  };
  const lines = readFileSync('/proc/self/net/route', 'utf8').split('\n').slice(1);
  const routes: Route[] = [];
  for (const line of lines) {
    const [ifname, destination, , , , , , mask] = line.trim().split(/\s+/);
    if (ifname === undefined || destination === undefined || mask === undefined) continue;
    routes.push({ ifname, destination: swap(destination), mask: swap(mask) });
  }
  return routes;
}
