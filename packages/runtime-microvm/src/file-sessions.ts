import type { ContainerFiles, FileAccess } from '@berth/runtime';
import type { Child } from './vm/child.ts';

interface Session {
  readonly key: string;
  readonly child: Promise<Child>;
  /** Requests that use it. */
  holds: number;
  timer: NodeJS.Timeout | undefined;
  /** Resolves when nobody uses it any more. */
  idle: PromiseWithResolvers<void>;
}

export interface FileSessionsDeps {
  /** Takes a machine for this container as a start does. It leaves nothing behind when it fails. */
  readonly open: () => Promise<Child>;
  /** The machine is not needed any more: its guest writes back, and it ends. */
  readonly end: (id: string, child: Child) => void;
}

/**
 * Machines that serve the files of containers that don't run: prepared, and started by nobody. Kept for a moment after their
 * last use, since one copy seldom comes alone; a start takes the machine over as it is.
 */
export class FileSessions {
  readonly #end: FileSessionsDeps['end'];
  readonly #lingerMs: number;
  readonly #sessions = new Map<string, Session>();

  constructor(end: FileSessionsDeps['end'], lingerMs: number) {
    this.#end = end;
    this.#lingerMs = lingerMs;
  }

  /**
   * Nothing when a session of this kind can be held or opened at once. Else ends the other one when those who use it are done:
   * who waited for that asks again, since others may have come first.
   */
  inTheWay(id: string, key: string): Promise<void> | undefined {
    const session = this.#sessions.get(id);
    return session === undefined || session.key === key ? undefined : this.#endIdle(id, session);
  }

  /** Joins the container's session, or opens one: nothing is in the way. */
  async hold(id: string, key: string, open: FileSessionsDeps['open']): Promise<ContainerFiles> {
    let session = this.#sessions.get(id);
    if (session === undefined) {
      session = { key, child: open(), holds: 0, timer: undefined, idle: Promise.withResolvers() };
      this.#sessions.set(id, session);
      this.#watch(id, session);
    }
    clearTimeout(session.timer);
    if (session.holds++ === 0) session.idle = Promise.withResolvers();
    try {
      return held((await session.child).agent, () => this.#release(id, session));
    } catch (error) {
      this.#release(id, session);
      throw error;
    }
  }

  /** For a start, while which nobody opens one: the machine, if there is one of this kind; one of another kind is ended. */
  async take(id: string, key: string): Promise<Child | undefined> {
    await this.inTheWay(id, key);
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    this.#forget(id, session);
    const child = await session.child.catch(() => undefined);
    if (child === undefined || !child.vm.gone) return child;
    this.#end(id, child);
    return undefined;
  }

  /** Ends it now; `kill`: nobody will read what it would still write. */
  async close(id: string, options: { readonly kill: boolean }): Promise<void> {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#forget(id, session);
    const child = await session.child.catch(() => undefined);
    if (child === undefined) return;
    if (options.kill) child.vm.kill();
    this.#end(id, child);
  }

  async closeAll(): Promise<void> {
    await Promise.allSettled([...this.#sessions.keys()].map((id) => this.close(id, { kill: false })));
  }

  async #endIdle(id: string, session: Session): Promise<void> {
    while (session.holds > 0) await session.idle.promise;
    if (this.#sessions.get(id) === session) await this.close(id, { kill: false });
  }

  #release(id: string, session: Session): void {
    session.holds--;
    if (session.holds > 0) return;
    session.idle.resolve();
    if (this.#sessions.get(id) !== session) return;
    session.timer = setTimeout(() => void this.close(id, { kill: false }), this.#lingerMs);
  }

  #forget(id: string, session: Session): void {
    clearTimeout(session.timer);
    if (this.#sessions.get(id) === session) this.#sessions.delete(id);
  }

  /** A session whose machine cannot be had, or dies, is none. */
  #watch(id: string, session: Session): void {
    void session.child.then(
      async (child) => {
        await child.agent.closed;
        if (this.#sessions.get(id) === session) await this.close(id, { kill: false });
      },
      () => this.#forget(id, session),
    );
  }
}

/** The files of whoever has them at the time, until disposed. */
export function held(owner: { readonly files: FileAccess }, release: () => void = () => undefined): ContainerFiles {
  let released = false;
  return {
    stat: (path) => owner.files.stat(path),
    read: (path, options) => owner.files.read(path, options),
    write: (path, pieces, options) => owner.files.write(path, pieces, options),
    changes: () => owner.files.changes(),
    layer: (options) => owner.files.layer(options),
    [Symbol.asyncDispose]: async () => {
      if (!released) release();
      released = true;
    },
  };
}
