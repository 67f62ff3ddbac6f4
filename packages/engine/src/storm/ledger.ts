import type { Kind, Told } from './told.ts';

type Standing = 'created' | 'running' | 'paused' | 'exited' | 'removed';

interface Entry {
  readonly kind: Kind;
  readonly code: number;
  standing: Standing;
  /** An operation was begun and never answered: either outcome is right. */
  open: number;
  uncertain: boolean;
  started: boolean;
}

/** What must be true of each container, by what was told of it: only answered operations bind. */
export class Ledger {
  readonly entries = new Map<string, Entry>();
  readonly trouble: string[] = [];

  take(told: Told): void {
    if ('trouble' in told) this.trouble.push(told.trouble);
    if ('created' in told) {
      this.entries.set(told.created, { kind: told.kind, code: told.code, standing: 'created', open: 0, uncertain: false, started: false });
    }
    if (!('action' in told)) return;
    const entry = this.entries.get(told.id);
    if (entry === undefined) return;
    if ('begun' in told) {
      entry.open += 1;
      // Two at once on one container: their order is the engine's to choose.
      if (entry.open > 1) entry.uncertain = true;
      return;
    }
    entry.open -= 1;
    if ('refused' in told) return;
    if (told.action === 'start') {
      entry.standing = 'running';
      entry.started = true;
    } else if (told.action === 'kill') entry.standing = 'exited';
    else if (told.action === 'remove') entry.standing = 'removed';
    else entry.standing = told.action === 'pause' ? 'paused' : 'running';
  }

  /** The daemon is dead: what it left open may have happened, or not. */
  died(): void {
    for (const entry of this.entries.values()) {
      if (entry.open > 0) entry.uncertain = true;
      entry.open = 0;
    }
  }
}
