import { Fault } from '@berth/kit';
import type { ContainerSpec, OutputSink, RunningContainer, RunningId, Runtime, RuntimeFacts, WarmRequest } from '@berth/runtime';
import type { MicrovmRuntimeOptions } from './options.ts';

const unfinished = () => new Fault('unsupported', 'vm-failed', 'virtual machines are not available yet');

/** Every container a virtual machine of its own, cloned from a running template. */
export class MicrovmRuntime implements Runtime {
  readonly name = 'microvm';
  readonly #options: MicrovmRuntimeOptions;

  private constructor(options: MicrovmRuntimeOptions) {
    this.#options = options;
  }

  /**
   * Finds out whether KVM works, boots or verifies the default flavor's template. Faults: `qemu-missing`,
   * `template-failed`.
   */
  static async open(options: MicrovmRuntimeOptions, lifetime: { signal?: AbortSignal } = {}): Promise<MicrovmRuntime> {
    lifetime.signal?.throwIfAborted();
    return new MicrovmRuntime(options);
  }

  describe(): RuntimeFacts {
    return {
      name: this.name,
      acceleration: 'tcg',
      verdict: '',
      version: '',
      kernel: this.#options.guest.kernelVersion,
      warnings: [],
      status: [],
    };
  }

  warm(_request: WarmRequest): void {}

  async warmed(_options: { signal?: AbortSignal } = {}): Promise<void> {}

  async start(_spec: ContainerSpec, _sink: OutputSink, _options: { signal?: AbortSignal } = {}): Promise<RunningContainer> {
    throw unfinished();
  }

  async adopt(_id: RunningId, _sink: OutputSink, _options: { signal?: AbortSignal } = {}): Promise<RunningContainer | undefined> {
    return undefined;
  }

  async list(): Promise<RunningId[]> {
    return [];
  }

  async stopLeftovers(_id: RunningId): Promise<void> {}

  async remove(_id: RunningId): Promise<void> {}

  async sweep(_known: ReadonlySet<RunningId>): Promise<void> {}

  async writableSize(_id: RunningId): Promise<number> {
    return 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
