/** Bounds on what an archive may make the host do. */
export interface Limits {
  /** Bytes of one layer, unpacked. */
  readonly layerBytes: number;
  /** Members of one layer. */
  readonly layerEntries: number;
  /** Bytes of an archive given to `load`, as it arrives and as it is unpacked. */
  readonly archiveBytes: number;
  /** Members of an archive given to `load`. */
  readonly archiveEntries: number;
  /** Bytes of a manifest, index or configuration. */
  readonly documentBytes: number;
}

export const DEFAULT_LIMITS: Limits = {
  layerBytes: 32 * 2 ** 30,
  layerEntries: 500_000,
  archiveBytes: 64 * 2 ** 30,
  archiveEntries: 20_000,
  documentBytes: 8 * 2 ** 20,
};
