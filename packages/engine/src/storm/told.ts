export type Kind = 'counter' | 'short' | 'rm' | 'phoenix';
export type Action = 'start' | 'kill' | 'remove' | 'pause' | 'unpause';

/** What the storm's daemon tells its test. */
export type Told =
  | { readonly opened: true }
  | { readonly trouble: string }
  | { readonly created: string; readonly kind: Kind; readonly code: number }
  | { readonly begun: true; readonly action: Action; readonly id: string; readonly code?: number }
  | { readonly done: true; readonly action: Action; readonly id: string }
  | { readonly refused: string; readonly action: Action; readonly id: string };
