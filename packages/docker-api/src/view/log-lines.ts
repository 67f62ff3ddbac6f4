import { frameHeadBytes, rfc3339NanoFixed, writeFrameHead } from '@berth/docker-wire';
import type { ContainerDefinition, LogRecord } from '@berth/engine';
import type { Personality } from '../create/personality.ts';

export interface LogForm {
  /** Raw bytes, instead of a frame for each line. */
  readonly terminal: boolean;
  readonly timestamps: boolean;
  /** What stands before each line, from the labels and variables that the log options name. */
  readonly details: string;
}

/**
 * How the lines of `docker logs` are sent: many in one buffer, because a million lines in a million writes take longer than
 * all the rest. A frame holds one line, which is what programs take it for.
 */
export function logWriter({ terminal, timestamps, details }: LogForm): (records: readonly LogRecord[]) => Buffer {
  const midLine = { stdout: false, stderr: false };
  const head = terminal ? 0 : frameHeadBytes;
  return (records) => {
    const prefixes = timestamps || details !== '' ? records.map((record) => prefix(record)) : [];
    let length = 0;
    for (const { data } of records) length += head + data.length;
    for (const text of prefixes) length += text.length;
    const buffer = Buffer.allocUnsafe(length);
    let at = 0;
    for (const [index, { stream, data }] of records.entries()) {
      const before = prefixes[index] ?? '';
      if (!terminal) writeFrameHead(buffer, at, stream, before.length + data.length);
      at += head;
      if (before !== '') at += buffer.write(before, at, 'latin1');
      buffer.set(data, at);
      at += data.length;
    }
    return buffer;
  };

  /** Only at the beginning of a line; one that is longer than a record goes on in the next. */
  function prefix({ stream, timeNs, data }: LogRecord): string {
    const isContinued = midLine[stream];
    midLine[stream] = data.at(-1) !== 10;
    if (isContinued) return '';
    return Buffer.from(`${timestamps ? `${rfc3339NanoFixed(timeNs)} ` : ''}${details === '' ? '' : `${details} `}`).toString('latin1');
  }
}

/** `docker logs --details`: the labels and environment variables chosen by log options, as json-file keeps them with each line. */
export function logDetails(definition: ContainerDefinition): string {
  const { LogConfig } = (definition.personality as unknown as Personality).HostConfig as { LogConfig?: { Config?: Record<string, string> } };
  const { labels = '', env = '', 'labels-regex': labelsRegex, 'env-regex': envRegex, tag } = LogConfig?.Config ?? {};
  const variables = Object.fromEntries(definition.env.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]));
  const chosen = {
    ...choose(definition.labels, labels, labelsRegex),
    ...choose(variables, env, envRegex),
    ...(tag === undefined || tag === '' ? {} : { tag }),
  };
  const pairs = Object.entries(chosen).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join(',');
}

function choose(from: Readonly<Record<string, string>>, names: string, pattern: string | undefined): Record<string, string> {
  const wanted = names.split(',');
  const regex = pattern === undefined || pattern === '' ? undefined : new RegExp(pattern);
  return Object.fromEntries(Object.entries(from).filter(([name]) => wanted.includes(name) || regex?.test(name) === true));
}
