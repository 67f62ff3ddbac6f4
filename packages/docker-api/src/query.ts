import type { FastifyRequest } from 'fastify';
import { invalid } from './faults.ts';

/** A request's query parameters, read as Docker reads them. */
export class Query {
  readonly #values: Readonly<Record<string, string | readonly string[] | undefined>>;

  constructor(request: FastifyRequest) {
    this.#values = request.query as Record<string, string | string[] | undefined>;
  }

  /** The first value; '' when absent. */
  text(name: string): string {
    const value = this.#values[name];
    return (typeof value === 'string' ? value : value?.[0]) ?? '';
  }

  texts(name: string): readonly string[] {
    const value = this.#values[name];
    return value === undefined ? [] : typeof value === 'string' ? [value] : value;
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined;
  }

  /** Docker's idea of true: anything but '', 0, no, false and none. */
  flag(name: string, whenAbsent = false): boolean {
    if (!this.has(name)) return whenAbsent;
    return !['', '0', 'no', 'false', 'none'].includes(this.text(name).toLowerCase().trim());
  }

  /** Undefined when absent or empty. Fault `number-invalid` in Go's words. */
  integer(name: string): number | undefined {
    const text = this.text(name);
    if (text === '') return undefined;
    if (!/^[+-]?\d+$/.test(text)) throw invalid('number-invalid', `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
    return Number(text);
  }
}
