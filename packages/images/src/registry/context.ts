import type { LayerStore } from '../layer/layer-store.ts';
import type { Limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { DistributionRows } from '../store/distribution-rows.ts';
import type { Files } from '../store/files.ts';
import type { Rows } from '../store/rows.ts';
import type { Downloads } from './downloads.ts';
import type { LayerNews } from './layer-news.ts';
import type { RegistryPolicy } from './settings.ts';
import type { Slots } from './slots.ts';
import type { Transport } from './transport.ts';

/** What pulling and pushing work with. */
export interface RegistryContext {
  readonly files: Files;
  readonly rows: Rows;
  readonly remembered: DistributionRows;
  readonly layers: LayerStore;
  readonly limits: Limits;
  readonly policy: RegistryPolicy;
  readonly transport: Transport;
  readonly downloads: Downloads;
  readonly news: LayerNews;
  /** Three layers at a time each way, whoever wants them; as dockerd does. */
  readonly downloading: Slots;
  readonly uploading: Slots;
  /** Layers being made into file systems. */
  readonly unpacking: Slots;
  /** `repository digest` → an upload under way. */
  readonly uploads: Map<string, Promise<unknown>>;
  /** Docker's name of this machine's architecture. */
  readonly architecture: string;
  readonly now: () => number;
  readonly log: Logger | undefined;
}
