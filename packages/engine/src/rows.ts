import type { Store } from '@berth/store';
import { sql } from 'kysely';
import { initialState, unsupervised, type Container, type EndpointSettings, type Supervision } from './container.ts';
import type { PortPublication } from '@berth/network';
import { rowUnreadable } from './faults.ts';
import type { StoredNetwork } from './network-table.ts';
import type { ContainerDefinition, ContainerPhase, ContainerState } from './port.ts';

const FORMAT = 1;

/** What of a container may change, and is stored. */
export interface Stored {
  readonly state: ContainerState;
  readonly intent: Intent;
  readonly run: number;
  readonly restartCount: number;
  readonly supervision: Supervision;
  readonly endpoints: readonly EndpointSettings[];
  readonly publications: readonly PortPublication[];
}

/** What was begun and may be half-done. */
export type Intent = '' | 'start' | 'update' | 'networks' | 'remove-volumes';

export interface StoredContainer extends Stored {
  readonly definition: ContainerDefinition;
}

/**
 * The engine's rows. Each method is one commit; when it resolves, the change survives the end of the daemon. What a client
 * was promised to find again (a container, a network, their removal) survives a loss of power as well; progress need not,
 * because nothing that runs survives one.
 */
export class Rows {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** With the volumes that were made for it, which are kept for good by this. */
  async insert(container: Container, volumes: readonly string[]): Promise<void> {
    const values = {
      id: container.id,
      name: container.name,
      format: FORMAT,
      definition: JSON.stringify(container.definition),
      ...columns({ state: initialState, intent: '', run: 0, restartCount: 0, supervision: unsupervised, endpoints: container.endpoints, publications: [] }),
    };
    if (volumes.length === 0) await this.#store.db.insertInto('containers').values(values).execute();
    else {
      await this.#store.db.transaction().execute(async (transaction) => {
        await transaction.insertInto('containers').values(values).execute();
        await transaction.updateTable('volumes').set({ intent: '' }).where('name', 'in', volumes).execute();
      });
    }
    await this.#store.flush();
  }

  async update(id: string, stored: Stored): Promise<void> {
    await this.#store.db.updateTable('containers').set(columns(stored)).where('id', '=', id).execute();
  }

  async rename(definition: ContainerDefinition, endpoints: readonly EndpointSettings[]): Promise<void> {
    await this.#store.db
      .updateTable('containers')
      .set({ name: definition.name, definition: JSON.stringify(definition), endpoints: JSON.stringify(endpoints) })
      .where('id', '=', definition.id)
      .execute();
    await this.#store.flush();
  }

  /** What was asked for has changed, too. */
  async redefine(definition: ContainerDefinition, stored: Stored): Promise<void> {
    await this.#store.db
      .updateTable('containers')
      .set({ definition: JSON.stringify(definition), ...columns(stored) })
      .where('id', '=', definition.id)
      .execute();
    await this.#store.flush();
  }

  /** With it go those volumes. Survives a loss of power only after `flush`. */
  async delete(id: string, volumes: readonly string[] = []): Promise<void> {
    if (volumes.length === 0) await this.#store.db.deleteFrom('containers').where('id', '=', id).execute();
    else {
      await this.#store.db.transaction().execute(async (transaction) => {
        await transaction.deleteFrom('containers').where('id', '=', id).execute();
        await transaction.updateTable('volumes').set({ intent: 'remove' }).where('name', 'in', volumes).execute();
      });
    }
  }

  flush(): Promise<void> {
    return this.#store.flush();
  }

  /** In order of creation. Fault `state-unreadable`, naming the row. */
  async containers(): Promise<StoredContainer[]> {
    const rows = await this.#store.db.selectFrom('containers').selectAll().orderBy(sql`rowid`).execute();
    return rows.map((row) => {
      const definition = parse<ContainerDefinition>(`container ${row.name}`, row.format, row.definition);
      return {
        definition,
        state: {
          phase: row.phase as ContainerPhase,
          pid: row.pid,
          exitCode: row.exit_code,
          oomKilled: row.oom_killed !== 0,
          error: row.error,
          startedAtMs: row.started_at_ms,
          finishedAtMs: row.finished_at_ms,
        },
        intent: row.intent as Intent,
        run: row.run,
        restartCount: row.restart_count,
        supervision: { ...unsupervised, ...parse<Partial<Supervision>>(`container ${row.name}`, row.format, row.supervision) },
        endpoints: parse<EndpointSettings[]>(`container ${row.name}`, row.format, row.endpoints),
        publications: parse<PortPublication[]>(`container ${row.name}`, row.format, row.publications),
      };
    });
  }

  async insertNetwork(network: StoredNetwork): Promise<void> {
    await this.#store.db
      .insertInto('networks')
      .values({ id: network.id, name: network.name, format: FORMAT, definition: JSON.stringify(network), created_at_ms: network.createdAtMs })
      .execute();
    await this.#store.flush();
  }

  async deleteNetwork(id: string): Promise<void> {
    await this.#store.db.deleteFrom('networks').where('id', '=', id).execute();
    await this.#store.flush();
  }

  async networks(): Promise<StoredNetwork[]> {
    const rows = await this.#store.db.selectFrom('networks').selectAll().orderBy(sql`rowid`).execute();
    return rows.map((row) => parse<StoredNetwork>(`network ${row.name}`, row.format, row.definition));
  }

  /** A single value, made by `make` when there is none yet. */
  async fact(name: string, make: () => string): Promise<string> {
    const found = await this.#store.db.selectFrom('facts').select('value').where('name', '=', name).executeTakeFirst();
    if (found !== undefined) return found.value;
    const value = make();
    await this.#store.db.insertInto('facts').values({ name, value }).execute();
    await this.#store.flush();
    return value;
  }
}

function columns(stored: Stored) {
  return {
    phase: stored.state.phase,
    intent: stored.intent,
    run: stored.run,
    pid: stored.state.pid,
    exit_code: stored.state.exitCode,
    oom_killed: stored.state.oomKilled ? 1 : 0,
    error: stored.state.error,
    started_at_ms: Math.round(stored.state.startedAtMs),
    finished_at_ms: Math.round(stored.state.finishedAtMs),
    restart_count: stored.restartCount,
    supervision: JSON.stringify(stored.supervision),
    endpoints: JSON.stringify(stored.endpoints),
    publications: JSON.stringify(stored.publications),
  };
}

function parse<T>(what: string, format: number, json: string): T {
  try {
    if (format !== FORMAT) throw new Error(`its format is ${format}, this version knows ${FORMAT}`);
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null) throw new Error('it is no object');
    return value as T;
  } catch (error) {
    throw rowUnreadable(what, error);
  }
}
