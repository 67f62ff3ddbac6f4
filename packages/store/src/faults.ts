import { Fault } from '@berth/kit';

export const stateNewer = (path: string, found: number, known: number) =>
  new Fault(
    'unavailable',
    'state-newer',
    `${path} was written by a newer version of Berth (schema ${found}; this one knows ${known}). Start that version, or move the file away to begin anew.`,
  );

export const stateUnreadable = (path: string, cause: unknown) =>
  new Fault(
    'unavailable',
    'state-unreadable',
    `${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}. Restore it, or move it away to begin anew.`,
    { cause },
  );
