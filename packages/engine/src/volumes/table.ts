import { volumeNotFound } from '../faults.ts';
import type { VolumeDefinition } from './port.ts';

/** The volumes there are, which containers refer to them, and which container runs on a disk. In memory. */
export class VolumeTable {
  readonly #byName = new Map<string, VolumeDefinition>();
  readonly #users = new Map<string, Set<string>>();
  readonly #holders = new Map<string, string>();

  all(): VolumeDefinition[] {
    return [...this.#byName.values()];
  }

  byName(name: string): VolumeDefinition | undefined {
    return this.#byName.get(name);
  }

  /** Fault `volume-not-found`. */
  find(name: string): VolumeDefinition {
    const volume = this.#byName.get(name);
    if (volume === undefined) throw volumeNotFound(name);
    return volume;
  }

  add(volume: VolumeDefinition): void {
    this.#byName.set(volume.name, volume);
  }

  delete(name: string): void {
    this.#byName.delete(name);
    this.#users.delete(name);
  }

  users(name: string): string[] {
    return [...(this.#users.get(name) ?? [])];
  }

  use(name: string, containerId: string): void {
    const users = this.#users.get(name) ?? new Set();
    users.add(containerId);
    this.#users.set(name, users);
  }

  release(containerId: string): void {
    for (const users of this.#users.values()) users.delete(containerId);
    this.letGo(containerId);
  }

  /** Takes a disk for a run. False: another container has it. */
  hold(name: string, containerId: string): boolean {
    const holder = this.#holders.get(name);
    if (holder !== undefined && holder !== containerId) return false;
    this.#holders.set(name, containerId);
    return true;
  }

  holder(name: string): string | undefined {
    return this.#holders.get(name);
  }

  letGo(containerId: string): void {
    for (const [name, holder] of this.#holders) if (holder === containerId) this.#holders.delete(name);
  }
}
