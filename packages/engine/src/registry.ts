import type { Container } from './container.ts';
import type { Exec } from './exec.ts';
import { containerAmbiguous, containerNotFound, execNotFound, nameInUse } from './faults.ts';

/** Who is there: containers by id, id prefix and name. Names are taken before anything is awaited, so two can't get one. */
export class Registry {
  readonly #byId = new Map<string, Container>();
  readonly #names = new Map<string, string>();

  /** In order of creation. */
  all(): Container[] {
    return [...this.#byId.values()];
  }

  get size(): number {
    return this.#byId.size;
  }

  byId(id: string): Container | undefined {
    return this.#byId.get(id);
  }

  /** By full id, name or unique prefix of an id, in this order. Faults: `container-not-found`, `container-ambiguous`. */
  find(reference: string): Container {
    const bare = reference.startsWith('/') ? reference.slice(1) : reference;
    const exact = this.#byId.get(bare) ?? this.#byId.get(this.#names.get(bare) ?? '');
    if (exact !== undefined) return exact;
    const matches = bare === '' ? [] : this.all().filter((container) => container.id.startsWith(bare));
    if (matches.length > 1) throw containerAmbiguous(reference);
    const [match] = matches;
    if (match === undefined) throw containerNotFound(reference);
    return match;
  }

  /** Fault `exec-not-found`. */
  findExec(id: string): Exec {
    for (const container of this.all()) {
      const exec = container.execs.get(id);
      if (exec !== undefined) return exec;
    }
    throw execNotFound(id);
  }

  /** Whether nobody is meant by it. */
  isAbsent(reference: string): boolean {
    const bare = reference.startsWith('/') ? reference.slice(1) : reference;
    return !this.#names.has(bare) && !this.all().some((container) => bare !== '' && container.id.startsWith(bare));
  }

  takeName(name: string, id: string): void {
    const owner = this.#names.get(name);
    if (owner !== undefined && owner !== id) throw nameInUse(name, owner);
    this.#names.set(name, id);
  }

  isTaken(name: string): boolean {
    return this.#names.has(name);
  }

  freeName(name: string, id: string): void {
    if (this.#names.get(name) === id) this.#names.delete(name);
  }

  add(container: Container): void {
    this.#names.set(container.name, container.id);
    this.#byId.set(container.id, container);
  }

  delete(container: Container): void {
    this.freeName(container.name, container.id);
    this.#byId.delete(container.id);
  }
}
