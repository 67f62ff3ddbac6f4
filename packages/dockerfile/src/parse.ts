import { isFault } from '@berth/kit';
import { dockerfileInvalid, flagUnsupported, lineInvalid } from './faults.ts';
import { takeFlags } from './flags.ts';
import { healthcheck } from './healthcheck.ts';
import type { Command, FromInstruction, Heredoc, Instruction, PairsInstruction } from './instruction.ts';
import { type LogicalLine, readLines } from './lines.ts';
import { parseMount } from './mount-flag.ts';
import type { Stage } from './stages.ts';
import { jsonWords, namedValues, splitWords } from './words.ts';

export interface ParsedDockerfile {
  readonly escape: string;
  /** Arguments before the first stage, for `FROM` lines. */
  readonly globals: readonly PairsInstruction[];
  readonly stages: readonly Stage[];
}

/** Fault `dockerfile-invalid`, with the line it is about. */
export function parseDockerfile(text: string): ParsedDockerfile {
  const { escape, lines } = readLines(text);
  if (lines.length === 0) throw dockerfileInvalid('failed to parse Dockerfile: file with no instructions');
  const globals: PairsInstruction[] = [];
  const stages: { from: FromInstruction; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const instruction = located(line, () => parseInstruction(line, escape));
    const stage = stages.at(-1);
    if (instruction.name === 'FROM') stages.push({ from: instruction, instructions: [] });
    else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.name === 'ARG') globals.push(instruction as PairsInstruction);
    else throw lineInvalid(line.line, 'no build stage in current context');
  }
  if (stages.length === 0) throw dockerfileInvalid('no build stage in current context');
  return { escape, globals, stages };
}

function located<T>(line: LogicalLine, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw isFault(error, 'dockerfile-invalid') ? lineInvalid(line.line, error.message) : error;
  }
}

const single = new Set(['MAINTAINER', 'STOPSIGNAL', 'USER', 'WORKDIR']);

/** One instruction: of a file, a trigger of a base image, or a change given with a commit. */
export function parseInstruction({ line, text, heredocs }: LogicalLine, escape = '\\'): Instruction {
  const [, word = '', rest = ''] = /^(\S+)\s*([^]*)$/.exec(text) ?? [];
  const name = word.toUpperCase();
  const at = { line, text };
  if (single.has(name)) {
    if (rest === '') throw dockerfileInvalid(`${name} requires exactly one argument`);
    return { ...at, name: name as 'USER', word: rest };
  }
  switch (name) {
    case 'FROM':
      return { ...at, ...from(rest) };
    case 'RUN':
      return { ...at, ...run(rest, heredocs) };
    case 'COPY':
    case 'ADD':
      return { ...at, ...copy(name, rest, heredocs) };
    case 'ENV':
    case 'LABEL':
      return { ...at, name, pairs: namedValues(name, rest, escape) };
    case 'ARG':
      return { ...at, name, pairs: argumentPairs(rest, escape) };
    case 'CMD':
    case 'ENTRYPOINT':
      return { ...at, name, command: command(rest) };
    case 'SHELL': {
      const args = jsonWords(rest);
      if (args === undefined) throw dockerfileInvalid('SHELL requires the arguments to be in JSON form');
      if (args.length === 0) throw dockerfileInvalid('SHELL requires at least one argument');
      return { ...at, name, command: { form: 'exec', args } };
    }
    case 'EXPOSE':
      return { ...at, name, words: required(name, splitWords(rest, escape)).toSorted() };
    case 'VOLUME': {
      const words = required(name, jsonWords(rest) ?? splitWords(rest, escape));
      if (words.some((path) => path.trim() === '')) throw dockerfileInvalid('VOLUME specified can not be an empty string');
      return { ...at, name, words };
    }
    case 'HEALTHCHECK':
      required(name, rest === '' ? [] : [rest]);
      return { ...at, name, check: healthcheck(rest) };
    case 'ONBUILD':
      return { ...at, name, word: trigger(rest) };
    default:
      throw dockerfileInvalid(`unknown instruction: ${name}`);
  }
}

function required(name: string, words: string[]): string[] {
  if (words.length === 0) throw dockerfileInvalid(`${name} requires at least one argument`);
  return words;
}

function command(text: string): Command {
  const args = jsonWords(text);
  return args === undefined ? { form: 'shell', text } : { form: 'exec', args };
}

function from(text: string): Omit<FromInstruction, 'line' | 'text'> {
  const flags = takeFlags(text, { platform: 'text' });
  const words = splitWords(flags.rest);
  const [image = '', as, stage] = words;
  if (words.length !== 1 && !(words.length === 3 && as?.toUpperCase() === 'AS')) throw dockerfileInvalid('FROM requires either one or three arguments');
  const named = stage?.toLowerCase();
  if (named !== undefined && !/^[a-z][a-z0-9-_.]*$/.test(named)) {
    throw dockerfileInvalid(`invalid name for build stage: ${JSON.stringify(stage)}, name can't start with a number or contain symbols`);
  }
  return { name: 'FROM', image, as: named, platform: flags.text('platform') };
}

function run(text: string, heredocs: readonly Heredoc[]): Omit<Extract<Instruction, { name: 'RUN' }>, 'line' | 'text'> {
  const flags = takeFlags(text, { mount: 'repeated', network: 'text', security: 'text' });
  const security = flags.text('security');
  if (security !== undefined && security !== 'sandbox')
    throw flagUnsupported(`RUN --security=${security} is not possible with Berth: a step has the rights of a container`);
  const mounts = flags.texts('mount');
  for (const mount of mounts) parseMount(mount);
  if (flags.rest === '') throw dockerfileInvalid('RUN requires at least one argument');
  return {
    name: 'RUN',
    command: heredocs.length > 0 ? { form: 'shell', text: flags.rest } : command(flags.rest),
    heredocs,
    mounts,
    network: flags.text('network'),
  };
}

const COPY_FLAGS = { from: 'text', chown: 'text', chmod: 'text', link: 'boolean', parents: 'boolean', exclude: 'repeated' } as const;
const ADD_FLAGS = {
  chown: 'text',
  chmod: 'text',
  link: 'boolean',
  checksum: 'text',
  'keep-git-dir': 'boolean',
  unpack: 'boolean',
  exclude: 'repeated',
} as const;
/** They would change what is copied, so they are not passed over. */
const LATER = ['parents', 'exclude', 'keep-git-dir', 'unpack'];

function copy(name: 'COPY' | 'ADD', text: string, heredocs: readonly Heredoc[]): Omit<Extract<Instruction, { name: 'COPY' | 'ADD' }>, 'line' | 'text'> {
  const flags = takeFlags(text, name === 'COPY' ? COPY_FLAGS : ADD_FLAGS);
  for (const later of LATER) if (flags.texts(later).length > 0) throw flagUnsupported(`${name} --${later} is not supported by Berth yet`);
  const words = jsonWords(flags.rest) ?? flags.rest.split(/\s+/).filter((word) => word !== '');
  if (words.length < 2) {
    throw dockerfileInvalid(
      words.length === 0
        ? `${name} requires at least one argument`
        : `${name} requires at least two arguments, but only one was provided. Destination could not be determined.`,
    );
  }
  const bodies = new Map(heredocs.map((heredoc) => [heredoc.name, heredoc]));
  const sources = words.slice(0, -1).filter((word) => !(bodies.size > 0 && /^\d*<<-?(["']?)(.+)\1$/.test(word)));
  return {
    name,
    sources,
    destination: words.at(-1) ?? '',
    heredocs: [...bodies.values()],
    from: flags.text('from'),
    chown: flags.text('chown'),
    chmod: flags.text('chmod'),
    checksum: flags.text('checksum'),
  };
}

function argumentPairs(text: string, escape: string): (readonly [string, string | undefined])[] {
  const words = splitWords(text, escape);
  if (words.length === 0) throw dockerfileInvalid('ARG requires at least one argument');
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals === 0) throw dockerfileInvalid('ARG names can not be blank');
    return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function trigger(text: string): string {
  if (text === '') throw dockerfileInvalid('ONBUILD requires at least one argument');
  const name = text.split(/\s/, 1)[0]?.toUpperCase() ?? '';
  if (name === 'ONBUILD') throw dockerfileInvalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (name === 'MAINTAINER' || name === 'FROM') throw dockerfileInvalid(`${name} isn't allowed as an ONBUILD trigger`);
  return text;
}
