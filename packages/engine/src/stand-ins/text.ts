import type { EngineEvent } from '../port.ts';

/** All of an output as text. */
export async function textOf(output: AsyncIterable<{ readonly data: Buffer } | readonly { readonly data: Buffer }[]>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const piece of output) parts.push(...[piece].flat().map(({ data }) => data));
  return Buffer.concat(parts).toString();
}

/** Listens to an engine's events; `stop` gives them as `type action`. */
export function listen(engine: { events(options: { signal: AbortSignal }): AsyncIterable<EngineEvent> }): { stop(): Promise<string[]> } {
  const listening = new AbortController();
  const events = engine.events({ signal: listening.signal });
  return {
    stop: async () => {
      listening.abort();
      const found: string[] = [];
      for await (const { type, action } of events) found.push(`${type} ${action}`);
      return found;
    },
  };
}
