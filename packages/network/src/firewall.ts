import { applyNft, listNftTable, type NftObject, removeNftLeftovers } from '@berth/sys';
import type { NetworkLog } from './log.ts';
import { protocolNumber } from './protocol.ts';
import { ruleset, setNames, type SetName } from './ruleset.ts';

/** One element of a set or map. Two elements with the same set and key are the same element. */
export interface Element {
  readonly set: SetName;
  /** nft syntax: `6 . 8080`. */
  readonly key: string;
  /** For maps: `172.17.0.2 . 80`. */
  readonly value?: string;
  /** Kept by the kernel with the element; tells whose it is after a restart. */
  readonly comment?: string;
}

interface Change {
  readonly remove: readonly Element[];
  readonly add: readonly Element[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const idOf = (element: Element) => `${element.set} ${element.key}`;

/**
 * The instance's nft table. Changes that arrive while one is being applied go into the next transaction together. Keeps
 * what ought to be there, so that a table which someone flushed is rebuilt whole at the next change.
 */
export class Firewall {
  readonly #table: string;
  readonly #directory: string;
  readonly #log: NetworkLog;
  /** What the kernel holds, by set and key. */
  #elements = new Map<string, Element>();
  #waiting: Change[] = [];
  #working: Promise<void> | undefined;

  private constructor(table: string, directory: string, log: NetworkLog) {
    this.#table = table;
    this.#directory = directory;
    this.#log = log;
  }

  /** Makes the table, or takes over the one a dead daemon left: its rules are replaced, its elements stay in force. */
  static async open(table: string, directory: string, log: NetworkLog): Promise<Firewall> {
    const firewall = new Firewall(table, directory, log);
    await removeNftLeftovers(directory);
    const found = await listNftTable('inet', table);
    for (const element of elementsIn(found ?? [])) firewall.#elements.set(idOf(element), element);
    try {
      await applyNft(ruleset(table), directory);
    } catch (error) {
      // Sets of another shape than this version's cannot be altered in place.
      if (found === undefined) throw error;
      log.warn({ table, error }, 'the firewall table is of another version: rebuilding it');
      await firewall.#rebuild().catch(async () => {
        // Not even its elements fit: those of networks and containers that exist are added again when they are restored.
        firewall.#elements.clear();
        await firewall.#rebuild();
      });
    }
    return firewall;
  }

  elements(): Element[] {
    return [...this.#elements.values()];
  }

  /** Removes, then adds, in one transaction; absent or already present elements are passed over. */
  change(change: { readonly remove?: readonly Element[]; readonly add?: readonly Element[] }): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#waiting.push({ remove: change.remove ?? [], add: change.add ?? [], resolve, reject });
      this.#working ??= this.#work();
    });
  }

  /** Deletes the table whole. */
  async delete(): Promise<void> {
    await this.#working;
    this.#elements.clear();
    await applyNft(this.#nothing(), this.#directory);
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#apply(batch);
        for (const change of batch) change.resolve();
      } catch (error) {
        if (batch.length === 1) {
          batch[0]?.reject(error);
          continue;
        }
        // One of them is at fault: each gets its own transaction and its own verdict.
        for (const change of batch) await this.#apply([change]).then(change.resolve, change.reject);
      }
    }
    // In the same turn as the look at the empty list: a change that comes next starts its own work.
    this.#working = undefined;
  }

  async #apply(batch: readonly Change[]): Promise<void> {
    const after = new Map(this.#elements);
    for (const change of batch) {
      for (const element of change.remove) after.delete(idOf(element));
      for (const element of change.add) after.set(idOf(element), element);
    }
    const remove = [...this.#elements].filter(([id, element]) => !same(after.get(id), element)).map(([, element]) => element);
    const add = [...after].filter(([id, element]) => !same(this.#elements.get(id), element)).map(([, element]) => element);
    if (remove.length === 0 && add.length === 0) return;
    const commands = [
      ...remove.map((element) => `delete element inet ${this.#table} ${element.set} { ${element.key} }`),
      ...add.map((element) => this.#add(element)),
    ];
    const before = this.#elements;
    try {
      await applyNft(`${commands.join('\n')}\n`, this.#directory);
      this.#elements = after;
    } catch (error) {
      this.#log.warn({ table: this.#table, error }, 'a firewall change was refused: rebuilding the table');
      this.#elements = after;
      try {
        await this.#rebuild();
      } catch (second) {
        this.#elements = before;
        throw second;
      }
    }
  }

  /** Replaces the table, whatever is in it, by what ought to be there: one transaction. */
  async #rebuild(): Promise<void> {
    const commands = [this.#nothing(), ruleset(this.#table), ...[...this.#elements.values()].map((element) => this.#add(element))];
    await applyNft(`${commands.join('\n')}\n`, this.#directory);
  }

  #add(element: Element): string {
    return `add element inet ${this.#table} ${element.set} { ${render(element)} }`;
  }

  /** Deletes the table, which need not exist. */
  #nothing(): string {
    return `table inet ${this.#table} { }\ndelete table inet ${this.#table}\n`;
  }
}

function same(one: Element | undefined, other: Element): boolean {
  return one !== undefined && one.value === other.value && one.comment === other.comment;
}

function render(element: Element): string {
  const comment = element.comment === undefined ? '' : ` comment "${element.comment}"`;
  return `${element.key}${comment}${element.value === undefined ? '' : ` : ${element.value}`}`;
}

type JsonValue = string | number | { prefix: { addr: string; len: number } } | { concat: JsonValue[] } | { elem: { val: JsonValue; comment?: string } };

/** Reads the elements out of `nft -j list table`, in the same spelling as they were written. */
function elementsIn(objects: readonly NftObject[]): Element[] {
  const known = new Set<string>(setNames);
  const found: Element[] = [];
  for (const object of objects) {
    const body = object['set'] ?? object['map'];
    if (body === undefined || !known.has(String(body['name']))) continue;
    const set = body['name'] as SetName;
    const types = [body['type']].flat().map(String);
    for (const entry of (body['elem'] ?? []) as unknown[]) {
      const [left, right] = (object['map'] === undefined ? [entry, undefined] : (entry as unknown[])) as [JsonValue, JsonValue | undefined];
      const wrapped = typeof left === 'object' && 'elem' in left ? left.elem : { val: left };
      const key = spell(wrapped.val, types);
      found.push({
        set,
        key,
        ...(right === undefined ? {} : { value: spell(right, []) }),
        ...(wrapped.comment === undefined ? {} : { comment: wrapped.comment }),
      });
    }
  }
  return found;
}

function spell(value: JsonValue, types: readonly string[]): string {
  if (typeof value === 'object') {
    if ('concat' in value) return value.concat.map((part, index) => spell(part, [types[index] ?? ''])).join(' . ');
    if ('prefix' in value) return `${value.prefix.addr}/${value.prefix.len}`;
    return spell(value.elem.val, types);
  }
  if (types[0] === 'ifname') return `"${value}"`;
  // nft writes the name where the system knows it.
  if (types[0] === 'inet_proto' && (value === 'tcp' || value === 'udp')) return String(protocolNumber[value]);
  return String(value);
}
