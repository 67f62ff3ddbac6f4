import { readFile } from 'node:fs/promises';
import { isFault } from '@berth/kit';
import { listNftChains, run } from '@berth/sys';
import type { NetworkLog } from './log.ts';

const recheckMs = 15_000;

/**
 * Other firewalls of the host (Docker's, ufw's) often forward nothing unless told. What one table drops no other table can
 * accept, so Berth asks for passage in the table that drops: by rules for its own bridges only, in the chains `DOCKER-USER`
 * (where Docker wants such rules) or `FORWARD`, and for questions to the resolver in `INPUT`. What may pass is then decided
 * by Berth's own table. Firewalls that aren't iptables' are left alone and named in the log.
 */
export class HostFirewall {
  readonly #prefix: string;
  readonly #log: NetworkLog;
  readonly #warned = new Set<string>();
  #checkedAt = 0;

  constructor(prefix: string, log: NetworkLog) {
    this.#prefix = prefix;
    this.#log = log;
  }

  /** Looks again if it has been a while: a firewall that was loaded anew has forgotten us. Waits for nothing. */
  recheck(): void {
    if (performance.now() - this.#checkedAt > recheckMs) void this.allow();
  }

  /** Looks, and adds the rules that are missing. Never throws: a host whose rules can't be read keeps its rules. */
  async allow(): Promise<void> {
    this.#checkedAt = performance.now();
    try {
      for (const { tool, chain } of await this.#closed()) {
        for (const rule of this.#rules(chain)) {
          const at = chain === 'FORWARD' && (await works(tool, ['-S', 'DOCKER-USER'])) ? 'DOCKER-USER' : chain;
          if (!(await works(tool, ['-C', at, ...rule]))) await run(tool, ['-w', '5', '-I', at, '1', ...rule], { timeoutMs: 10_000 });
        }
      }
    } catch (error) {
      this.#warn('rules', { error }, 'the firewall of the host could not be asked for passage');
    }
  }

  /** Takes the rules back. */
  async withdraw(): Promise<void> {
    for (const tool of await this.#tools()) {
      for (const chain of ['FORWARD', 'INPUT']) {
        for (const rule of this.#rules(chain)) {
          for (const at of chain === 'FORWARD' ? ['FORWARD', 'DOCKER-USER'] : [chain]) {
            while (await works(tool, ['-C', at, ...rule])) await run(tool, ['-w', '5', '-D', at, ...rule], { timeoutMs: 10_000 });
          }
        }
      }
    }
  }

  /** The chains of iptables whose policy is to drop. */
  async #closed(): Promise<{ tool: string; chain: string }[]> {
    const found: { tool: string; chain: string }[] = [];
    for (const chain of await listNftChains()) {
      if (chain['policy'] !== 'drop' || (chain['hook'] !== 'forward' && chain['hook'] !== 'input')) continue;
      if (chain['family'] === 'ip' && chain['table'] === 'filter' && (chain['name'] === 'FORWARD' || chain['name'] === 'INPUT')) {
        found.push({ tool: 'iptables-nft', chain: chain['name'] });
      } else if (chain['family'] === 'ip6' && chain['table'] === 'filter' && chain['name'] === 'FORWARD') {
        // Names are asked for over IPv4, so nothing is wanted of its INPUT.
        found.push({ tool: 'ip6tables-nft', chain: chain['name'] });
      } else if (chain['family'] === 'ip' || chain['family'] === 'inet') {
        const name = `${String(chain['family'])} ${String(chain['table'])} ${String(chain['name'])}`;
        this.#warn(name, { chain: name }, 'a firewall chain of the host drops by default: containers stay cut off until it accepts their bridges');
      }
    }
    if (await legacyInUse()) {
      for (const chain of ['FORWARD', 'INPUT']) {
        const { stdout } = await run('iptables-legacy', ['-S', chain], { timeoutMs: 10_000 });
        if (stdout.startsWith(`-P ${chain} DROP`)) found.push({ tool: 'iptables-legacy', chain });
      }
    }
    return found;
  }

  async #tools(): Promise<string[]> {
    const chains = await listNftChains();
    const nft = chains.some((chain) => chain['family'] === 'ip' && chain['table'] === 'filter' && (chain['name'] === 'FORWARD' || chain['name'] === 'INPUT'));
    const nft6 = chains.some((chain) => chain['family'] === 'ip6' && chain['table'] === 'filter' && chain['name'] === 'FORWARD');
    return [...(nft ? ['iptables-nft'] : []), ...(nft6 ? ['ip6tables-nft'] : []), ...((await legacyInUse()) ? ['iptables-legacy'] : [])];
  }

  #rules(chain: string): string[][] {
    const mark = ['-m', 'comment', '--comment', `berth:${this.#prefix}`, '-j', 'ACCEPT'];
    return [`${this.#prefix}0`, `${this.#prefix}-+`].flatMap((link) =>
      chain === 'FORWARD'
        ? [
            ['-i', link, ...mark],
            ['-o', link, ...mark],
          ]
        : ['udp', 'tcp'].map((protocol) => ['-i', link, '-p', protocol, '--dport', '53', ...mark]),
    );
  }

  #warn(about: string, fields: object, message: string): void {
    if (this.#warned.has(about)) return;
    this.#warned.add(about);
    this.#log.warn(fields, message);
  }
}

async function works(tool: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(tool, ['-w', '5', ...args], { timeoutMs: 10_000 });
    return true;
  } catch (error) {
    if (isFault(error, 'command-failed')) return false;
    throw error;
  }
}

async function legacyInUse(): Promise<boolean> {
  try {
    return (await readFile('/proc/self/net/ip_tables_names', 'utf8')).split('\n').includes('filter');
  } catch {
    return false;
  }
}
