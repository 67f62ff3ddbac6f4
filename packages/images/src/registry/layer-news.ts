/** Tells everybody who waits for a layer how it goes, for only one of them fetches it. */
export class LayerNews {
  readonly #listeners = new Map<string, Set<Listener>>();

  listen(diffId: string, listener: Listener): Disposable {
    const all = this.#listeners.get(diffId) ?? new Set();
    this.#listeners.set(diffId, all.add(listener));
    return {
      [Symbol.dispose]: () => {
        all.delete(listener);
        if (all.size === 0) this.#listeners.delete(diffId);
      },
    };
  }

  tell(diffId: string, status: string, detail: Detail = {}): void {
    for (const listener of this.#listeners.get(diffId) ?? []) listener(status, detail);
  }
}

export type Detail = { readonly current?: number; readonly total?: number };
type Listener = (status: string, detail: Detail) => void;
