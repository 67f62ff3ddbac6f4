import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** Where the official descriptions lie on machines that have them. */
export const descriptionsFolder = process.env['DOCKER_API_DESCRIPTIONS'] ?? '/work/shared/docker-engine-api';

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly 'x-nullable'?: boolean;
}

interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses: Readonly<Record<string, { readonly schema?: Schema }>> }>>>>;
  readonly definitions: Readonly<Record<string, Schema>>;
}

/** The Engine API of one version, as its makers describe it (OpenAPI 2). */
export class ApiDescription {
  readonly #description: Description;

  constructor(version: string) {
    this.#description = parse(readFileSync(`${descriptionsFolder}/v${version}.yaml`, 'utf8')) as Description;
  }

  static exists(version: string): boolean {
    return existsSync(`${descriptionsFolder}/v${version}.yaml`);
  }

  /** What is wrong with an answer, as `path: finding` lines. */
  check(method: string, path: string, status: number, body: unknown): string[] {
    const operation = this.#description.paths[path]?.[method.toLowerCase()];
    if (operation === undefined) return [`${method} ${path} is not described`];
    const schema = operation.responses[String(status)]?.schema;
    if (schema === undefined) return [`${method} ${path} has no schema for ${status}`];
    const findings: string[] = [];
    this.#check(schema, body, '', findings);
    return findings;
  }

  #check(given: Schema, value: unknown, at: string, findings: string[]): void {
    const schema = this.#resolve(given);
    if (value === null) {
      // Go writes null for lists, maps and structures that are not there, whatever the description says.
      const structured = schema.type === undefined || schema.type === 'array' || schema.type === 'object';
      if (!structured && given['x-nullable'] !== true && schema['x-nullable'] !== true) findings.push(`${at}: is null`);
      return;
    }
    const among = schema.enum?.some((one) => JSON.stringify(one) === JSON.stringify(value)) ?? true;
    if (!among && value !== '') findings.push(`${at}: ${JSON.stringify(value)} is none of ${JSON.stringify(schema.enum)}`);
    const actual = Array.isArray(value) ? 'array' : typeof value;
    const wanted = schema.type ?? (schema.properties === undefined ? undefined : 'object');
    if (wanted !== undefined && actual !== (wanted === 'integer' ? 'number' : wanted)) {
      findings.push(`${at}: is ${actual}, not ${wanted}`);
      return;
    }
    if (wanted === 'integer' && !Number.isInteger(value)) findings.push(`${at}: is no integer`);
    if (Array.isArray(value) && schema.items !== undefined)
      for (const [index, item] of value.entries()) this.#check(schema.items, item, `${at}[${index}]`, findings);
    if (actual === 'object') this.#checkObject(schema, value as Record<string, unknown>, at, findings);
  }

  #checkObject(schema: Schema, value: Record<string, unknown>, at: string, findings: string[]): void {
    for (const name of schema.required ?? []) if (!(name in value)) findings.push(`${at}.${name}: is missing`);
    for (const [name, member] of Object.entries(value)) {
      const known = schema.properties?.[name];
      if (known !== undefined) this.#check(known, member, `${at}.${name}`, findings);
      else if (typeof schema.additionalProperties === 'object') this.#check(schema.additionalProperties, member, `${at}.${name}`, findings);
      else if (schema.properties !== undefined && schema.additionalProperties !== true) findings.push(`${at}.${name}: is not described`);
    }
  }

  #resolve(schema: Schema): Schema {
    if (schema.$ref !== undefined) return this.#resolve(this.#description.definitions[schema.$ref.replace('#/definitions/', '')] ?? {});
    if (schema.allOf === undefined) return schema;
    const parts = schema.allOf.map((part) => this.#resolve(part));
    const [first] = parts;
    // A word for a description of its own: `allOf` with one member.
    if (first !== undefined && parts.length === 1 && first.properties === undefined) return { ...first, ...schema };
    return {
      ...schema,
      type: 'object',
      properties: Object.assign({}, ...parts.map((part) => part.properties), schema.properties) as Record<string, Schema>,
      required: [...parts.flatMap((part) => part.required ?? []), ...(schema.required ?? [])],
    };
  }
}
