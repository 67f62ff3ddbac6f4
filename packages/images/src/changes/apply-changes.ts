import { posix } from 'node:path';
import { changeInvalid } from '../faults.ts';
import type { ImageProcessDefaults } from '../port.ts';
import { exposedPorts } from './exposed-ports.ts';
import { healthcheck } from './healthcheck.ts';
import { jsonWords, keyValues, splitWords, unquote } from './words.ts';

type Draft = { -readonly [Key in keyof ImageProcessDefaults]: ImageProcessDefaults[Key] };
type Instruction = (draft: Draft, text: string, variables: ReadonlyMap<string, string>) => void;

const SHELL = ['/bin/sh', '-c'];

/** What `docker import` and `docker commit` take after `--change`. */
const INSTRUCTIONS: Readonly<Record<string, Instruction>> = {
  CMD: (draft, text) => {
    draft.Cmd = command(draft, text);
  },
  ENTRYPOINT: (draft, text) => {
    if (text === '' || jsonWords(text)?.length === 0) delete draft.Entrypoint;
    else draft.Entrypoint = command(draft, text);
  },
  ENV: (draft, text, variables) => {
    const env = [...(draft.Env ?? [])];
    for (const [name, value] of keyValues('ENV', text, variables)) {
      const at = env.findIndex((line) => line.startsWith(`${name}=`));
      if (at < 0) env.push(`${name}=${value}`);
      else env[at] = `${name}=${value}`;
    }
    draft.Env = env;
  },
  EXPOSE: (draft, text, variables) => {
    const words = splitWords(required('EXPOSE', text)).map((word) => unquote(word, variables));
    draft.ExposedPorts = { ...draft.ExposedPorts, ...exposedPorts(words) };
  },
  HEALTHCHECK: (draft, text) => {
    draft['Healthcheck'] = healthcheck(required('HEALTHCHECK', text));
  },
  LABEL: (draft, text, variables) => {
    draft.Labels = { ...draft.Labels, ...Object.fromEntries(keyValues('LABEL', text, variables)) };
  },
  ONBUILD: (draft, text) => {
    const trigger = required('ONBUILD', text).split(/\s/, 1)[0]?.toUpperCase() ?? '';
    if (trigger === 'ONBUILD') throw changeInvalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger === 'MAINTAINER' || trigger === 'FROM') throw changeInvalid(`${trigger} isn't allowed as an ONBUILD trigger`);
    draft['OnBuild'] = [...((draft['OnBuild'] as string[] | undefined) ?? []), text];
  },
  STOPSIGNAL: (draft, text, variables) => {
    draft.StopSignal = unquote(single('STOPSIGNAL', text), variables);
  },
  USER: (draft, text, variables) => {
    draft.User = unquote(single('USER', text), variables);
  },
  VOLUME: (draft, text, variables) => {
    const words = jsonWords(required('VOLUME', text)) ?? splitWords(text);
    const paths = words.map((word) => unquote(word, variables).trim());
    if (paths.length === 0) throw changeInvalid('VOLUME requires at least one argument');
    if (paths.includes('')) throw changeInvalid('VOLUME specified can not be an empty string');
    draft.Volumes = { ...draft.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
  },
  WORKDIR: (draft, text, variables) => {
    const path = unquote(single('WORKDIR', text), variables);
    draft.WorkingDir = posix.resolve('/', draft.WorkingDir ?? '', path);
  },
};

/** Applies Dockerfile lines to an image's defaults, in order. Fault `change-invalid`, as the daemon words it. */
export function applyChanges(defaults: ImageProcessDefaults, changes: readonly string[]): ImageProcessDefaults {
  const draft: Draft = { ...defaults };
  const lines = joinContinued(changes);
  if (changes.length > 0 && lines.length === 0) throw changeInvalid('file with no instructions');
  for (const line of lines) {
    const [, word = '', text = ''] = /^(\S+)\s*([\s\S]*)$/.exec(line) ?? [];
    const name = word.toUpperCase();
    const apply = INSTRUCTIONS[name];
    if (apply === undefined) throw changeInvalid(`${name.toLowerCase()} is not a valid change command`);
    const variables = new Map((draft.Env ?? []).map((pair) => splitPair(pair)));
    apply(draft, text.trim(), variables);
  }
  return draft;
}

function joinContinued(changes: readonly string[]): string[] {
  return changes
    .join('\n')
    .replaceAll(/\\[ \t]*\n/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function command(draft: Draft, text: string): string[] {
  return jsonWords(text) ?? [...(draft.Shell ?? SHELL), ...(text === '' ? [] : [text])];
}

function required(instruction: string, text: string): string {
  if (text === '') throw changeInvalid(`${instruction} requires at least one argument`);
  return text;
}

function single(instruction: string, text: string): string {
  if (text === '') throw changeInvalid(`${instruction} requires exactly one argument`);
  return text;
}

function splitPair(pair: string): [string, string] {
  const equals = pair.indexOf('=');
  return equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
}
