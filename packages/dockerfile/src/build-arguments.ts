import type { PairsInstruction } from './instruction.ts';

/** Taken without an `ARG`, and kept out of history and cache unless there is one. */
const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [name, name.toLowerCase()]);

/**
 * Build arguments and where they hold: those before the first stage in `FROM` lines, and in a stage that names them again;
 * those of a stage from their `ARG` to its end. What the request gives goes before any default.
 */
export class BuildArguments {
  readonly #given: ReadonlyMap<string, string | undefined>;
  readonly #globals: Map<string, string | undefined>;
  readonly #used = new Set<string>();
  #stage = new Map<string, string | undefined>();

  constructor(given: ReadonlyMap<string, string | undefined>, platform: Readonly<Record<string, string>>) {
    this.#given = given;
    this.#globals = new Map(Object.entries(platform));
  }

  addGlobal(key: string, value: string | undefined): void {
    this.#globals.set(key, value);
    this.#used.add(key);
  }

  add({ pairs }: PairsInstruction): void {
    for (const [key, value] of pairs) {
      this.#stage.set(key, value);
      this.#used.add(key);
    }
  }

  beginStage(): void {
    this.#stage = new Map();
  }

  /** For `FROM` lines. */
  globals(): Map<string, string> {
    return this.#all(this.#globals);
  }

  /** For a stage's instructions, after its own variables. */
  inStage(env: ReadonlyMap<string, string>): [string, string][] {
    return [...this.#all(this.#stage)].filter(([key]) => !env.has(key));
  }

  /** Whether history and cache speak of it. */
  isVisible(key: string): boolean {
    return this.#used.has(key) || !PROXIES.includes(key);
  }

  /** What was given and nobody asked for. */
  unused(): string[] {
    return [...this.#given.keys()].filter((key) => !this.#used.has(key) && !PROXIES.includes(key)).sort();
  }

  #all(scope: ReadonlyMap<string, string | undefined>): Map<string, string> {
    const values = new Map<string, string>();
    for (const key of [...PROXIES, ...scope.keys()]) {
      const value = this.#given.get(key) ?? scope.get(key) ?? this.#globals.get(key);
      if (value !== undefined) values.set(key, value);
    }
    return values;
  }
}
