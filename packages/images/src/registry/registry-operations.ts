import type { LayerStore } from '../layer/layer-store.ts';
import type { Limits } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { DistributionRows } from '../store/distribution-rows.ts';
import type { Files } from '../store/files.ts';
import type { Rows } from '../store/rows.ts';
import type { RegistryContext } from './context.ts';
import type { Credentials } from './credentials.ts';
import { describeImage } from './describe.ts';
import { Downloads } from './downloads.ts';
import { LayerNews } from './layer-news.ts';
import { logIn } from './log-in.ts';
import type { Description, Exchanged, Found, PullOptions, PushOptions, Registries } from './port.ts';
import { pullImages } from './pull.ts';
import { pushImages } from './push.ts';
import { searchIndex } from './search.ts';
import { RegistryPolicy, type RegistrySettings } from './settings.ts';
import { Slots } from './slots.ts';
import { Transport } from './transport.ts';

export interface RegistryDeps {
  readonly files: Files;
  readonly rows: Rows;
  readonly remembered: DistributionRows;
  readonly layers: LayerStore;
  readonly limits: Limits;
  readonly now: () => number;
  readonly log: Logger | undefined;
  readonly architecture: string;
}

/** Layers under way in each direction at a time, as dockerd has it. */
const TRANSFERS = 3;
const UNPACKING = 2;

/** What the image store does with registries. */
export class RegistryOperations implements Registries, AsyncDisposable {
  readonly settings: Registries['settings'];
  readonly #context: RegistryContext;

  private constructor(context: RegistryContext, settings: RegistrySettings) {
    this.#context = context;
    this.settings = { mirrors: settings.mirrors ?? [], insecure: settings.insecure ?? [] };
  }

  static async open(deps: RegistryDeps, settings: RegistrySettings): Promise<RegistryOperations> {
    const policy = new RegistryPolicy(settings);
    const downloads = new Downloads(deps.files.downloads);
    await downloads.prepare();
    const context: RegistryContext = {
      ...deps,
      policy,
      downloads,
      transport: new Transport(policy),
      news: new LayerNews(),
      downloading: new Slots(TRANSFERS),
      uploading: new Slots(TRANSFERS),
      unpacking: new Slots(UNPACKING),
      uploads: new Map(),
    };
    return new RegistryOperations(context, settings);
  }

  pull(reference: string, options: PullOptions): Promise<Exchanged> {
    return pullImages(this.#context, reference, options);
  }

  push(reference: string, options: PushOptions): Promise<Exchanged> {
    return pushImages(this.#context, reference, options);
  }

  logIn(server: string, credentials: Credentials, signal?: AbortSignal): Promise<void> {
    return logIn(this.#context, server, credentials, signal);
  }

  search(term: string, { limit, credentials, signal }: { limit: number; credentials?: Credentials; signal?: AbortSignal }): Promise<readonly Found[]> {
    return searchIndex(this.#context, term, limit, credentials ?? {}, signal);
  }

  describe(reference: string, { credentials, signal }: { credentials?: Credentials; signal?: AbortSignal }): Promise<Description> {
    return describeImage(this.#context, reference, this.#context.limits, credentials ?? {}, signal);
  }

  /** Gives up what broken pulls have left for their repetition; gives the bytes freed by it at once. */
  async forgetUnfinished(): Promise<number> {
    this.#context.rows.transaction(() => this.#context.remembered.releaseAll());
    return this.#context.downloads.removeIdle(0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#context.transport[Symbol.asyncDispose]();
  }
}
