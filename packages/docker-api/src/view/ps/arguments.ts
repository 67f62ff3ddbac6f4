import { Fault } from '@berth/kit';
import type { ProcessRow } from '@berth/runtime';
import { notYet } from '../../faults.ts';
import { type Column, columnNamed, columnsElsewhere } from './columns.ts';

/** What `docker top` asks `ps` for. */
export interface PsRequest {
  readonly columns: readonly Column[];
  /** Those of the container's processes that are listed. */
  readonly selects: (row: ProcessRow) => boolean;
  /** Columns to sort by, the first first; `descending` for a minus sign. */
  readonly sort: readonly { readonly column: Column; readonly descending: boolean }[];
  /** Children below their parents, marked. */
  readonly forest: boolean;
}

/** As the real daemon passes on what `ps` says; it looks for processes by the column PID. */
const psFault = (message: string) => new Fault('invalid', 'ps-arguments', message);
const psError = (message: string) => psFault(`ps: error: ${message}`);
const noPid = () => psFault("Couldn't find PID field in ps output");

type Selection = (row: ProcessRow) => boolean;

const unixFormats: Readonly<Record<string, string>> = {
  '': 'pid tname time ucmd',
  f: 'user=UID pid ppid c stime tname time cmd',
  F: 'user=UID pid ppid c sz rss psr stime tname time cmd',
  l: 'f s uid pid ppid c opri ni addr sz wchan tname time ucmd',
  ly: 's uid pid ppid c opri ni rss sz wchan tname time ucmd',
  fl: 'f s user=UID pid ppid c opri ni addr sz wchan stime tname time cmd',
  fly: 's user=UID pid ppid c opri ni rss sz wchan stime tname time cmd',
  j: 'pid pgid sid tname time ucmd',
  fj: 'user=UID pid ppid pgid sid c stime tname time cmd',
};

const bsdFormats: Readonly<Record<string, string>> = {
  '': 'pid tname stat bsdtime args',
  u: 'user pid %cpu %mem vsz rss tname stat bsdstart bsdtime args',
  j: 'ppid pid pgid sid tname tpgid stat uid bsdtime args',
  l: 'f uid pid ppid opri ni vsz rss wchan stat tname bsdtime args',
};

/** Reads the arguments of `ps`, of procps, in all three of its styles. Faults with the sentences of `ps` and dockerd. */
export function readPsArguments(text: string): PsRequest {
  const renamed = /\s+(\S*)=\s*(PID\S*)/.exec(text);
  if (renamed !== null && renamed[1] !== 'pid') throw psFault(`specifying "${renamed[1]}=${renamed[2]}" is not allowed`);
  return new PsArguments(text.split(/\s+/).filter(Boolean)).request();
}

class PsArguments {
  readonly #words: string[];
  readonly #formats = new Set<string>();
  readonly #selections: Selection[] = [];
  readonly #chosen: Column[] = [];
  readonly #sort: { column: Column; descending: boolean }[] = [];
  #isAround = false;
  #isBsd = false;
  #isEverything = false;
  #isForest = false;

  constructor(words: string[]) {
    this.#words = words;
  }

  request(): PsRequest {
    for (let word = this.#words.shift(); word !== undefined; word = this.#words.shift()) {
      if (word.startsWith('--')) this.#long(word.slice(2));
      else if (word.startsWith('-aux')) this.#cluster(word.slice(1), true);
      else if (word.startsWith('-')) this.#cluster(word.slice(1), false);
      else if (/^\d[\d,]*$/.test(word)) this.#select('pid', word);
      else this.#cluster(word, true);
    }
    const columns = this.#columns();
    if (!columns.some(({ title }) => title === 'PID')) throw noPid();
    const selections = this.#selections;
    const selects = this.#isEverything || selections.length === 0 ? () => true : (row: ProcessRow) => selections.some((selection) => selection(row));
    return { columns, selects, sort: this.#sort, forest: this.#isForest };
  }

  #columns(): readonly Column[] {
    if (this.#isAround) return [...specified('pid'), ...this.#chosen, ...specified('s tname time args')];
    if (this.#chosen.length > 0) return this.#chosen;
    const key = [...this.#formats].sort().join('');
    if (key === 'y') throw psError('modifier -y without format -l makes no sense');
    const format = (this.#isBsd && this.#formats.size <= 1 ? bsdFormats[key] : undefined) ?? unixFormats[key];
    if (format === undefined) throw psError('conflicting format options');
    return specified(format);
  }

  #cluster(letters: string, isBsd: boolean): void {
    this.#isBsd ||= isBsd;
    for (let at = 0; at < letters.length; at += 1) {
      const letter = letters[at] ?? '';
      const argument = () => {
        const rest = letters.slice(at + 1) || this.#words.shift();
        at = letters.length;
        if (rest === undefined)
          throw psError(isBsd ? 'unsupported option (BSD syntax)' : `list of ${letter === 'o' ? 'format specifications' : 'ids'} must follow -${letter}`);
        return rest;
      };
      if (letter === 'o' || letter === 'O') {
        this.#isAround ||= letter === 'O';
        this.#chosen.push(...specified(argument().replaceAll(',', ' ')));
      } else if (letter === 'k') this.#sortBy(argument());
      else if (isBsd) this.#bsd(letter, argument);
      else this.#unix(letter, argument);
    }
  }

  #unix(letter: string, argument: () => string): void {
    if ('eA'.includes(letter)) this.#isEverything = true;
    else if ('fFljy'.includes(letter)) this.#formats.add(letter === 'F' ? 'F' : letter);
    else if (letter === 'H') this.#isForest = false;
    else if (letter === 'M' || letter === 'Z') this.#chosen.push(...specified('label pid tname time ucmd'));
    else if ('Cpqsgtu'.includes(letter)) this.#select({ C: 'comm', s: 'sid', g: 'sid', t: 'tty', u: 'euid' }[letter] ?? 'pid', argument());
    else if (letter === 'U' || letter === 'G') this.#select(letter === 'U' ? 'uid' : 'gid', argument());
    else if ('LTm'.includes(letter)) throw notYet(`docker top with the threads of processes (ps -${letter}) is`, 'nlwp is their number');
    else if (letter === 'V') throw noPid();
    // Which terminals and sessions are left out, and how wide: nothing to do with a container's processes.
    else if (!'adwcN'.includes(letter)) throw psError('unsupported SysV option');
  }

  #bsd(letter: string, argument: () => string): void {
    if ('ujl'.includes(letter)) this.#formats.add(letter);
    else if (letter === 'f') this.#isForest = true;
    else if ('pq'.includes(letter)) this.#select('pid', argument());
    else if (letter === 'U') this.#select('euid', argument());
    else if ('vsX'.includes(letter)) throw notYet(`docker top with ps's format ${letter} is`, 'name the columns with -o');
    else if ('mH'.includes(letter)) throw notYet('docker top with the threads of processes is', 'nlwp is their number');
    else if (letter === 'h' || letter === 'V' || letter === 'L') throw noPid();
    else if (!'axgrTewcnS'.includes(letter)) throw psError('unsupported option (BSD syntax)');
  }

  #long(word: string): void {
    const [name = '', inline] = word.split(/=(.*)/s);
    const argument = () => {
      const value = inline ?? this.#words.shift();
      if (value === undefined) throw psError(`option --${name} needs an argument`);
      return value;
    };
    const selections: Readonly<Record<string, string>> = {
      pid: 'pid',
      'quick-pid': 'pid',
      ppid: 'ppid',
      sid: 'sid',
      tty: 'tty',
      user: 'euid',
      User: 'uid',
      group: 'gid',
      Group: 'gid',
    };
    const selection = selections[name];
    if (selection !== undefined) this.#select(selection, argument());
    else if (name === 'format') this.#chosen.push(...specified(argument().replaceAll(',', ' ')));
    else if (name === 'sort') this.#sortBy(argument());
    else if (name === 'forest') this.#isForest = true;
    else if (['cols', 'columns', 'width', 'lines', 'rows'].includes(name)) argument();
    else if (['no-headers', 'no-heading', 'help', 'info', 'version'].includes(name)) throw noPid();
    else if (!['headers', 'cumulative'].includes(name)) throw psError('unknown gnu long option');
  }

  #select(field: string, list: string): void {
    const wanted = list.split(',');
    const is = (value: number | string) => wanted.includes(String(value)) || (value === 0 && wanted.includes('root') && field.endsWith('id'));
    const value: Readonly<Record<string, (row: ProcessRow) => number | string>> = {
      comm: (row) => row.name,
      pid: (row) => row.pid,
      ppid: (row) => row.ppid,
      sid: (row) => row.sid,
      uid: (row) => row.uid,
      euid: (row) => row.euid,
      gid: (row) => row.gid,
      tty: (row) => row.tty,
    };
    this.#selections.push((row) => is(value[field]?.(row) ?? ''));
  }

  #sortBy(list: string): void {
    for (const key of list.split(',')) {
      const [column] = specified(key.replace(/^[+-]/, ''));
      if (column !== undefined) this.#sort.push({ column, descending: key.startsWith('-') });
    }
  }
}

/** `name` or `name=TITLE`, parted by spaces. */
function specified(list: string): Column[] {
  return list
    .split(' ')
    .filter(Boolean)
    .map((word) => {
      const [name = '', title] = word.split(/=(.*)/s);
      const column = columnNamed(name);
      if (column === undefined && columnsElsewhere.has(name)) throw notYet(`docker top with ps's column ${name} is`, 'a virtual machine does not report it');
      if (column === undefined) throw psError(`unknown user-defined format specifier ${JSON.stringify(name)}`);
      return title === undefined ? column : { ...column, title };
    });
}
