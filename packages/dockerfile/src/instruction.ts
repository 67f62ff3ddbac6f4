/** Instructions as they are written: nothing is expanded yet. */

export interface Heredoc {
  readonly name: string;
  /** Without the last line, with all line ends; leading tabs are gone when it began with `<<-`. */
  readonly content: string;
  /** The name was not quoted: variables in it are put in (COPY and ADD). */
  readonly expand: boolean;
  /** As it was written, for a shell to read again. */
  readonly raw: string;
}

/** `["a", "b"]`, or a line for the shell. */
export type Command = { readonly form: 'exec'; readonly args: readonly string[] } | { readonly form: 'shell'; readonly text: string };

interface Located {
  readonly line: number;
  /** The whole instruction with its continuation lines joined, as `Step` lines show it. */
  readonly text: string;
}

export interface FromInstruction extends Located {
  readonly name: 'FROM';
  readonly image: string;
  readonly as: string | undefined;
  readonly platform: string | undefined;
}

export interface RunInstruction extends Located {
  readonly name: 'RUN';
  readonly command: Command;
  readonly heredocs: readonly Heredoc[];
  /** Values of `--mount`. */
  readonly mounts: readonly string[];
  readonly network: string | undefined;
}

export interface CopyInstruction extends Located {
  readonly name: 'COPY' | 'ADD';
  readonly sources: readonly string[];
  readonly destination: string;
  readonly heredocs: readonly Heredoc[];
  readonly from: string | undefined;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly checksum: string | undefined;
}

export interface PairsInstruction extends Located {
  readonly name: 'ENV' | 'LABEL' | 'ARG';
  /** An argument may be without a value. */
  readonly pairs: readonly (readonly [key: string, value: string | undefined])[];
  /** Given with the request and not in the file: taken as it is. */
  readonly literal?: boolean;
}

export interface CommandInstruction extends Located {
  readonly name: 'CMD' | 'ENTRYPOINT' | 'SHELL';
  readonly command: Command;
}

export interface WordInstruction extends Located {
  readonly name: 'MAINTAINER' | 'ONBUILD' | 'STOPSIGNAL' | 'USER' | 'WORKDIR';
  readonly word: string;
}

export interface WordsInstruction extends Located {
  readonly name: 'EXPOSE' | 'VOLUME';
  readonly words: readonly string[];
}

export interface HealthcheckInstruction extends Located {
  readonly name: 'HEALTHCHECK';
  /** As Docker keeps it; without a test of its own the shell is missing still: `['CMD-SHELL', text]`. */
  readonly check: Readonly<Record<string, unknown>>;
}

export type Instruction =
  | FromInstruction
  | RunInstruction
  | CopyInstruction
  | PairsInstruction
  | CommandInstruction
  | WordInstruction
  | WordsInstruction
  | HealthcheckInstruction;
