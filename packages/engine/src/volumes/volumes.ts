import { newId } from '@berth/kit';
import type { Clock } from '../clock.ts';
import type { EngineLog } from '../deps.ts';
import type { Events } from '../events.ts';
import { volumeDriverUnknown, volumeInUse, volumeKindConflict, volumeNameInvalid, volumeNotFound } from '../faults.ts';
import { Serial } from '../serial.ts';
import { readOptions } from './options.ts';
import type { MountPoint, NewVolume, VolumeDefinition, VolumePoint, VolumeView } from './port.ts';
import type { VolumeRows } from './rows.ts';
import type { VolumeStorage } from './storage.ts';
import { VolumeTable } from './table.ts';

export interface VolumesDeps {
  readonly rows: VolumeRows;
  readonly storage: VolumeStorage;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: EngineLog;
}

/** By it Docker's clients know a volume that nobody named. */
const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/**
 * Volumes and who refers to them. One operation at a time, so that none is removed while a container that wants it is being
 * made. docs/design/volumes.md has the order of commits and effects.
 */
export class Volumes {
  readonly table = new VolumeTable();
  readonly storage: VolumeStorage;
  readonly #deps: VolumesDeps;
  readonly #serial = new Serial();

  constructor(deps: VolumesDeps) {
    this.#deps = deps;
    this.storage = deps.storage;
  }

  /** Takes up the rows: what was half-made or half-removed goes. Before containers are. */
  async open(): Promise<void> {
    for (const { volume, intent } of await this.#deps.rows.all()) {
      if (intent === '') this.table.add(volume);
      else await this.#destroy(volume);
    }
    await this.storage.sweep();
  }

  view(volume: VolumeDefinition): VolumeView {
    const disk = volume.kind === 'block' ? { disk: this.storage.disk(volume) } : {};
    return { ...volume, mountpoint: this.storage.mountpoint(volume), users: this.table.users(volume.name), ...disk };
  }

  /** An existing one of that name is the answer, too. Faults: those of names and options, `volume-kind-conflict`. */
  create(request: NewVolume): Promise<VolumeView> {
    return this.#serial.run(async () => {
      const { volume, made } = await this.#ensure(request, false);
      if (made) await this.#deps.rows.mark(volume.name, '');
      return this.view(volume);
    });
  }

  /** Fault `volume-in-use`; without `force` `volume-not-found`. */
  async remove(name: string, options: { readonly force: boolean }): Promise<void> {
    const empty = await this.#serial.run(async () => {
      const volume = this.table.byName(name);
      if (volume === undefined && options.force) return undefined;
      if (volume === undefined) throw volumeNotFound(name);
      const users = this.table.users(name);
      if (users.length > 0) throw volumeInUse(name, users);
      return await this.#remove(volume);
    });
    await empty?.();
  }

  async prune(matches: (volume: VolumeView) => boolean): Promise<{ deleted: string[]; reclaimedBytes: number }> {
    const deleted: string[] = [];
    let reclaimedBytes = 0;
    for (const volume of this.table.all()) {
      const view = this.view(volume);
      if (view.users.length > 0 || !matches(view)) continue;
      const bytes = await this.storage.usedBytes(volume).catch(() => 0);
      const removed = await this.remove(volume.name, { force: true }).then(
        () => true,
        () => false,
      );
      if (!removed) continue;
      deleted.push(volume.name);
      reclaimedBytes += bytes;
    }
    return { deleted, reclaimedBytes };
  }

  /**
   * For a container that is being made: every volume it asks for exists, and stays while the container does. `unsettled`
   * are those of its own; they are kept for good by the commit that writes the container down.
   */
  acquire(containerId: string, mounts: readonly MountPoint[]): Promise<{ mounts: MountPoint[]; unsettled: string[] }> {
    return this.#serial.run(async () => {
      const unsettled: string[] = [];
      try {
        const resolved: MountPoint[] = [];
        for (const mount of mounts) resolved.push(mount.type === 'volume' ? await this.#acquire(containerId, mount, unsettled) : mount);
        return { mounts: resolved, unsettled };
      } catch (error) {
        await this.#abandon(containerId, unsettled);
        throw error;
      }
    });
  }

  /** The container was not made after all. */
  abandon(containerId: string, unsettled: readonly string[]): Promise<void> {
    return this.#serial.run(() => this.#abandon(containerId, unsettled));
  }

  /**
   * The container goes. `commit` deletes its row and, in the same commit, marks those volumes for removal that were its
   * own and that nobody else refers to (none without `anonymous`).
   */
  async leave(
    containerId: string,
    mounts: readonly MountPoint[],
    options: { readonly anonymous: boolean },
    commit: (doomed: readonly string[]) => Promise<void>,
  ): Promise<void> {
    const empties = await this.#serial.run(async () => {
      const own = mounts.flatMap((mount) => (options.anonymous && mount.type === 'volume' && mount.anonymous ? [mount.name] : []));
      const doomed = [...new Set(own)].filter((name) => this.table.users(name).every((user) => user === containerId));
      await commit(doomed);
      this.table.release(containerId);
      const empties = [];
      for (const name of doomed) {
        const volume = this.table.byName(name);
        if (volume !== undefined) empties.push(await this.#removeMarked(volume));
      }
      return empties;
    });
    // Space comes back in nobody's time: the container is gone already.
    void Promise.all(empties.map((empty) => empty())).catch((error: unknown) => this.#deps.log.warn({ err: error }, 'a volume could not be deleted'));
  }

  async #acquire(containerId: string, mount: VolumePoint, unsettled: string[]): Promise<VolumePoint> {
    const { volume, made } = await this.#ensure({ ...mount.making, name: mount.name }, mount.anonymous);
    if (made && mount.anonymous) unsettled.push(volume.name);
    else if (made) await this.#deps.rows.mark(volume.name, '');
    this.table.use(volume.name, containerId);
    return { ...mount, name: volume.name };
  }

  async #abandon(containerId: string, unsettled: readonly string[]): Promise<void> {
    this.table.release(containerId);
    for (const name of unsettled) {
      const volume = this.table.byName(name);
      if (volume !== undefined) await (await this.#removeMarked(volume))();
    }
  }

  /** The volume of that name; if there is none it is made, with the intent to. */
  async #ensure(request: NewVolume, anonymous: boolean): Promise<{ volume: VolumeDefinition; made: boolean }> {
    const driver = request.driver === '' || request.driver === 'default' ? 'local' : request.driver;
    if (driver !== 'local') throw volumeDriverUnknown(driver);
    const found = request.name === '' ? undefined : this.table.byName(request.name);
    if (found !== undefined) {
      const asked = Object.keys(request.options).length === 0 ? found : readOptions(request.name, request.options);
      if (asked.kind !== found.kind) throw volumeKindConflict(request.name);
      return { volume: found, made: false };
    }
    const unnamed = request.name === '';
    const name = unnamed ? newId() : request.name;
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name) || name.length > 255) throw volumeNameInvalid(name);
    const volume: VolumeDefinition = {
      name,
      driver,
      options: request.options,
      labels: unnamed ? { ...request.labels, [ANONYMOUS_LABEL]: '' } : request.labels,
      ...readOptions(name, request.options),
      anonymous: anonymous || unnamed,
      createdAtMs: this.#deps.clock.nowMs(),
    };
    await this.#deps.rows.insert(volume);
    try {
      await this.storage.make(volume);
    } catch (error) {
      await this.#destroy(volume);
      throw error;
    }
    this.table.add(volume);
    this.#emit(volume, 'create');
    return { volume, made: true };
  }

  async #remove(volume: VolumeDefinition): Promise<() => Promise<void>> {
    await this.#deps.rows.mark(volume.name, 'remove');
    return await this.#removeMarked(volume);
  }

  async #removeMarked(volume: VolumeDefinition): Promise<() => Promise<void>> {
    this.table.delete(volume.name);
    const { empty } = await this.storage.remove(volume);
    await this.#deps.rows.delete(volume.name);
    this.#emit(volume, 'destroy');
    return empty;
  }

  async #destroy(volume: VolumeDefinition): Promise<void> {
    await (await this.storage.remove(volume)).empty();
    await this.#deps.rows.delete(volume.name);
  }

  #emit(volume: VolumeDefinition, action: string): void {
    this.#deps.events.emit({ type: 'volume', action, actorId: volume.name, attributes: { driver: volume.driver } });
  }
}
