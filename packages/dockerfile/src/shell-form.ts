import { heredocMark } from './heredoc.ts';
import type { Command, Heredoc, RunInstruction } from './instruction.ts';

const SHELL = ['/bin/sh', '-c'];

/** What is executed: the words themselves, or the shell with the line. */
export function argsOf(command: Command, shell: readonly string[] | null | undefined): string[] {
  if (command.form === 'exec') return [...command.args];
  return [...(shell ?? SHELL), ...(command.text === '' ? [] : [command.text])];
}

/** The line a `RUN` gives its shell: a lone heredoc is the script itself, any other is for the shell to read. */
export function commandLine({ command, heredocs }: RunInstruction, shell: readonly string[] | null | undefined): string[] {
  if (command.form === 'exec' || heredocs.length === 0) return argsOf(command, shell);
  const [only] = heredocs;
  const text = isLone(command.text) && only !== undefined ? only.content : [command.text, ...heredocs.map(({ raw, name }) => `${raw}${name}`)].join('\n');
  return argsOf({ form: 'shell', text }, shell);
}

/** A heredoc that is a program for an interpreter it names itself (`#!`), run as a file. */
export function scriptOf({ command, heredocs }: RunInstruction): Heredoc | undefined {
  const [only] = heredocs;
  return command.form === 'shell' && isLone(command.text) && only?.content.startsWith('#!') === true ? only : undefined;
}

const isLone = (text: string): boolean => heredocMark(text) !== undefined;
