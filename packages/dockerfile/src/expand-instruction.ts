import { posix } from 'node:path';
import { expandWord, expandWords, type Variables } from './expand.ts';
import { dockerfileInvalid } from './faults.ts';
import type { Instruction } from './instruction.ts';

/** The instruction with variables put in where Docker puts them in: not in commands, which their shell expands. */
export function expandInstruction(instruction: Instruction, variables: Variables, escape: string): Instruction {
  const word = (text: string) => expandWord(text, variables, escape);
  const optional = (text: string | undefined) => (text === undefined ? undefined : word(text));
  switch (instruction.name) {
    case 'ENV':
    case 'LABEL':
    case 'ARG':
      if (instruction.literal === true) return instruction;
      return { ...instruction, pairs: instruction.pairs.map(([key, value]) => [named(instruction.name, word(key)), optional(value)]) };
    case 'COPY':
    case 'ADD':
      return {
        ...instruction,
        sources: instruction.sources.map(word),
        destination: word(instruction.destination),
        chown: optional(instruction.chown),
        chmod: optional(instruction.chmod),
        heredocs: instruction.heredocs.map((heredoc) => (heredoc.expand ? { ...heredoc, content: expandBody(heredoc.content, variables, escape) } : heredoc)),
      };
    case 'RUN':
      return { ...instruction, mounts: instruction.mounts.map(word) };
    case 'EXPOSE':
      return { ...instruction, words: instruction.words.flatMap((text) => expandWords(text, variables, escape)).toSorted() };
    case 'VOLUME':
      return { ...instruction, words: instruction.words.map((path) => word(path).trim()) };
    case 'USER':
    case 'WORKDIR':
    case 'STOPSIGNAL':
      return { ...instruction, word: word(instruction.word) };
    default:
      return instruction;
  }
}

function named(instruction: string, name: string): string {
  if (name === '') throw dockerfileInvalid(`${instruction} names can not be blank`);
  return name;
}

/** Quotes mean nothing in the body of a heredoc. */
function expandBody(content: string, variables: Variables, escape: string): string {
  const quoted = content.replaceAll(/["']/g, (quote) => `${escape}${quote}`);
  return expandWord(quoted, variables, escape);
}

/** A working directory after another. */
export function workdirAfter(before: string, path: string): string {
  return posix.resolve('/', before, path);
}
