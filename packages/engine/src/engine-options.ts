import type { Images } from '@berth/images';
import type { Networking } from '@berth/network';
import type { Runtime } from '@berth/runtime';
import type { Store } from '@berth/store';
import type { Clock } from './clock.ts';
import type { Endpoint, EngineLimits, EngineLog } from './deps.ts';

export interface ContainerEngineOptions {
  /** The VCH's name: `default`. */
  readonly name: string;
  readonly version: string;
  /** These are the caller's: the engine uses them and doesn't close them. */
  readonly store: Store;
  readonly images: Images;
  readonly networking: Networking;
  readonly runtimes: readonly Runtime[];
  /** Name of the runtime of containers that ask for none. */
  readonly defaultRuntime: string;
  /** Where logs are kept (`logs/ID.log`). */
  readonly stateDirectory: string;
  readonly endpoint?: Endpoint;
  readonly log: EngineLog;
  readonly clock?: Clock;
  readonly limits?: Partial<EngineLimits>;
}
