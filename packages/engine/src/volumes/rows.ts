import type { Store } from '@berth/store';
import { sql } from 'kysely';
import { rowUnreadable } from '../faults.ts';
import type { VolumeDefinition } from './port.ts';

const FORMAT = 1;

/**
 * `create`: its files are being made, or the container it is for is not written down yet. `remove`: it is to go. Either way
 * a start of the engine removes it.
 */
export type VolumeIntent = '' | 'create' | 'remove';

/** The rows of volumes. Each method is one commit. */
export class VolumeRows {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async insert(volume: VolumeDefinition): Promise<void> {
    await this.#store.db
      .insertInto('volumes')
      .values({ name: volume.name, format: FORMAT, definition: JSON.stringify(volume), intent: 'create' })
      .execute();
  }

  async mark(name: string, intent: VolumeIntent): Promise<void> {
    await this.#store.db.updateTable('volumes').set({ intent }).where('name', '=', name).execute();
    await this.#store.flush();
  }

  async delete(name: string): Promise<void> {
    await this.#store.db.deleteFrom('volumes').where('name', '=', name).execute();
    await this.#store.flush();
  }

  /** In order of creation. Fault `state-unreadable`, naming the row. */
  async all(): Promise<{ readonly volume: VolumeDefinition; readonly intent: VolumeIntent }[]> {
    const rows = await this.#store.db.selectFrom('volumes').selectAll().orderBy(sql`rowid`).execute();
    return rows.map(({ name, format, definition, intent }) => {
      if (format !== FORMAT) throw rowUnreadable(`volume ${name}`, new Error(`its format is ${format}, this version knows ${FORMAT}`));
      try {
        return { volume: JSON.parse(definition) as VolumeDefinition, intent: intent as VolumeIntent };
      } catch (error) {
        throw rowUnreadable(`volume ${name}`, error);
      }
    });
  }
}
