import { hostConfigSchema, type HostConfigRequest } from '@berth/docker-wire';
import type { LogSettings } from '@berth/engine';
import { Fault, isFault } from '@berth/kit';
import { invalid, notYet } from '../faults.ts';

/** What containers get whose `docker run` says nothing about its log: an option of the daemon, as with dockerd. */
export interface LogDefaults {
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
}

export const jsonFileDefaults: LogDefaults = { driver: 'json-file', options: {} };

export interface LogConfig {
  readonly type: string;
  readonly options: Readonly<Record<string, string>>;
  readonly settings: LogSettings;
}

/** Drivers that a dockerd has built in; the first three are here, too. */
export const logDrivers = ['json-file', 'local', 'none'];
const absentDrivers = ['syslog', 'journald', 'gelf', 'fluentd', 'awslogs', 'splunk', 'gcplogs', 'etwlogs', 'logentries'];

const jsonFileOptions = ['max-file', 'max-size', 'compress', 'labels', 'labels-regex', 'env', 'env-regex', 'tag'];
const localOptions = ['max-file', 'max-size', 'compress'];

/** The log of a new container. Faults with dockerd's sentences, those it gives at the start included: nothing is made first. */
export function logFor(host: HostConfigRequest, defaults: LogDefaults): LogConfig {
  const type = host.LogConfig?.Type || defaults.driver;
  const given = host.LogConfig?.Config ?? {};
  // The daemon's own options belong to its own driver.
  const options = type === defaults.driver ? { ...defaults.options, ...given } : given;
  if (absentDrivers.includes(type)) throw notYet(`--log-driver ${type} is`, 'json-file, local and none are');
  if (!logDrivers.includes(type)) throw invalid('log-driver-unknown', `error looking up logging plugin ${type}: plugin "${type}" not found`);
  if (type === 'none') return { type, options, settings: { driver: type, maxFiles: 1, compress: false } };
  checkMode(options);
  const known = type === 'local' ? localOptions : jsonFileOptions;
  for (const name of Object.keys(options)) {
    if (known.includes(name) || name === 'mode' || name === 'max-buffer-size') continue;
    throw invalid(
      'log-option-unknown',
      type === 'local' ? `unknown log opt '${name}' for log driver local` : `unknown log opt '${name}' for json-file log driver`,
    );
  }
  try {
    return { type, options, settings: type === 'local' ? localSettings(options) : jsonFileSettings(options) };
  } catch (error) {
    if (!isFault(error)) throw error;
    throw new Fault('invalid', error.code, `failed to initialize logging driver: ${error.message}`, { cause: error });
  }
}

/** Faults as `logFor`: better at the daemon's start than at every create. */
export function checkedDefaults(defaults: LogDefaults): LogDefaults {
  logFor(hostConfigSchema.parse({}), defaults);
  return defaults;
}

/** `non-blocking` is what a log here is anyway: a file that takes what comes. */
function checkMode(options: Readonly<Record<string, string>>): void {
  const { mode = '', 'max-buffer-size': size } = options;
  if (!['', 'blocking', 'non-blocking'].includes(mode)) throw invalid('log-mode-unknown', `logger: logging mode not supported: ${mode}`);
  if (size === undefined) return;
  if (mode !== 'non-blocking') throw invalid('log-mode-unknown', "logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  if (bytesOf(size) === undefined) throw invalid('log-option-invalid', `error parsing option max-buffer-size: invalid size: '${size}'`);
}

function jsonFileSettings(options: Readonly<Record<string, string>>): LogSettings {
  const { 'max-size': size, 'max-file': files, compress } = options;
  const maxBytes = size === undefined ? undefined : sizeOf(size, '');
  const maxFiles = files === undefined ? 1 : countOf(files);
  if (maxFiles < 1) throw invalid('log-option-invalid', 'max-file cannot be less than 1');
  const isCompressed = compress === undefined ? false : truthOf(compress, '');
  if (isCompressed && (maxFiles < 2 || maxBytes === undefined)) {
    throw invalid('log-option-invalid', 'compress cannot be true when max-file is less than 2 or max-size is not set');
  }
  for (const name of ['labels-regex', 'env-regex']) patternOf(options[name] ?? '');
  return { driver: 'json-file', maxFiles, compress: isCompressed, ...(maxBytes === undefined ? {} : { maxBytes }) };
}

/** Rotated and compressed unless told otherwise. */
function localSettings(options: Readonly<Record<string, string>>): LogSettings {
  const { 'max-size': size = '20m', 'max-file': files = '5', compress = 'true' } = options;
  const maxBytes = sizeOf(size, `invalid value for max-size: ${size}: `);
  const maxFiles = countOf(files, `invalid value for max-file: ${files}: `);
  const isCompressed = truthOf(compress, 'error reading compress log option: ');
  if (isCompressed && maxFiles < 2) throw invalid('log-option-invalid', 'compression cannot be enabled when max file count is 1');
  if (maxFiles < 1) throw invalid('log-option-invalid', 'max file count cannot be less than 1');
  return { driver: 'local', maxBytes, maxFiles, compress: isCompressed };
}

function sizeOf(text: string, before: string): number {
  const bytes = bytesOf(text);
  if (bytes === undefined) throw invalid('log-option-invalid', `${before}invalid size: '${text}'`);
  if (bytes <= 0) throw invalid('log-option-invalid', `${before}max-size must be a positive number`);
  return bytes;
}

/** Docker's sizes of logs count in thousands. */
function bytesOf(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?$/i.exec(text);
  return match === null ? undefined : Math.floor(Number(match[1]) * 1000 ** ' kmgtp'.indexOf((match[2] || ' ').toLowerCase()));
}

function countOf(text: string, before = ''): number {
  if (!/^[+-]?\d+$/.test(text)) throw invalid('log-option-invalid', `${before}strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

function truthOf(text: string, before: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw invalid('log-option-invalid', `${before}strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw invalid('log-option-invalid', `error parsing regexp: ${text}: ${(error as Error).message}`);
  }
}
