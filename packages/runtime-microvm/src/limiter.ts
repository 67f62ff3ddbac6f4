/** Lets a few through at a time; who is urgent goes before who is not, otherwise in order of arrival. */
export class Limiter {
  readonly #most: number;
  #running = 0;
  readonly #urgent: (() => void)[] = [];
  readonly #patient: (() => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  async run<T>(work: () => Promise<T>, options: { urgent: boolean; signal?: AbortSignal }): Promise<T> {
    options.signal?.throwIfAborted();
    if (this.#running >= this.#most) {
      const queue = options.urgent ? this.#urgent : this.#patient;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      queue.push(resolve);
      const leave = () => {
        const at = queue.indexOf(resolve);
        if (at < 0) return;
        queue.splice(at, 1);
        reject(options.signal?.reason);
      };
      options.signal?.addEventListener('abort', leave, { once: true });
      await promise.finally(() => options.signal?.removeEventListener('abort', leave));
    } else this.#running++;
    try {
      return await work();
    } finally {
      // The place passes on to the next one, so nobody can slip in between.
      const next = this.#urgent.shift() ?? this.#patient.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
