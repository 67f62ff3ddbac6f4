import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { LayerFile } from '@berth/runtime';
import type { Flavor } from '../flavor.ts';
import { flavorTemplateName, type TemplateBuilder } from './builder.ts';
import { imageKey } from './key.ts';
import { type Template, verifyTemplate } from './manifest.ts';

/** A guest that has not booted by then never will; a busy host with an emulated processor needs long. */
const BOOT_LIMIT_MS = 120_000;
const IMAGE_LIMIT_MS = 60_000;

export interface TemplatesOptions {
  readonly directory: string;
  readonly builder: TemplateBuilder;
  readonly acceleration: 'kvm' | 'tcg';
  /** See `templateKey`. */
  readonly key: string;
  readonly budgetBytes: number;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
}

/** The templates on disk: found, verified once, built when missing or damaged, the least recently used dropped. */
export class Templates {
  readonly #options: TemplatesOptions;
  readonly #ready = new Map<string, Promise<Template>>();

  constructor(options: TemplatesOptions) {
    this.#options = options;
  }

  flavor(flavor: Flavor): Promise<Template> {
    const { builder, acceleration, key } = this.#options;
    const name = flavorTemplateName(flavor, key);
    return this.#get(name, () => builder.boot(name, flavor, acceleration, { limitMs: BOOT_LIMIT_MS }));
  }

  image(flavor: Flavor, layers: readonly LayerFile[]): Promise<Template> {
    const { builder, acceleration } = this.#options;
    const name = this.imageName(flavor, layers);
    return this.#get(name, async () => {
      const build = async () => {
        const base = await this.flavor(flavor);
        try {
          return await builder.image(name, base, flavor, acceleration, layers, { limitMs: IMAGE_LIMIT_MS });
        } catch (error) {
          // Its own base may be what is damaged.
          if (await this.suspect(base)) return undefined;
          throw error;
        }
      };
      return (await build()) ?? (await builder.image(name, await this.flavor(flavor), flavor, acceleration, layers, { limitMs: IMAGE_LIMIT_MS }));
    });
  }

  imageName(flavor: Flavor, layers: readonly LayerFile[]): string {
    return `${flavorTemplateName(flavor, this.#options.key)}-${imageKey(layers)}`;
  }

  /** A clone of it misbehaved: it is looked at again, and removed when it is damaged. True: it was. */
  async suspect(template: Template): Promise<boolean> {
    const verdict = await verifyTemplate(template.directory, template.name);
    if (verdict !== 'absent' && 'template' in verdict) return false;
    const reason = verdict === 'absent' ? 'it is gone' : verdict.damage;
    this.#options.log('error', `template ${template.name} is damaged: ${reason}; it will be made again`);
    this.#ready.delete(template.name);
    await rm(template.directory, { recursive: true, force: true });
    return true;
  }

  /** Names of those in use by this daemon. */
  get names(): string[] {
    return [...this.#ready.keys()].map((name) => name.replace(`-${this.#options.key}`, ''));
  }

  /** Removes what a dead daemon left half-made, and templates of other keys. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.#options.directory).catch(() => [] as string[])) {
      const current = name.includes(this.#options.key);
      if (!name.startsWith('.new-') && current) continue;
      await rm(join(this.#options.directory, name), { recursive: true, force: true });
    }
  }

  #get(name: string, build: () => Promise<Template>): Promise<Template> {
    const known = this.#ready.get(name);
    if (known !== undefined) return known;
    const made = this.#find(name, build);
    this.#ready.set(name, made);
    made.then(
      () => void this.#trim().catch(() => undefined),
      () => this.#ready.delete(name),
    );
    return made;
  }

  async #find(name: string, build: () => Promise<Template>): Promise<Template> {
    const { directory, log } = this.#options;
    const path = join(directory, name);
    const verdict = await verifyTemplate(path, name);
    if (verdict !== 'absent' && 'template' in verdict) {
      // The time of last use, for `#trim`.
      const now = new Date();
      await utimes(path, now, now);
      return verdict.template;
    }
    if (verdict !== 'absent') {
      log('error', `template ${name} is damaged: ${verdict.damage}; it is made again`);
      await rm(path, { recursive: true, force: true });
    }
    const from = performance.now();
    const template = await build();
    log('info', `template ${name} made in ${Math.round(performance.now() - from)} ms`);
    return template;
  }

  /** Drops image templates above the budget, least recently used first, but none that this daemon has used. */
  async #trim(): Promise<void> {
    const { directory, budgetBytes } = this.#options;
    const found: { name: string; path: string; bytes: number; usedMs: number }[] = [];
    for (const name of await readdir(directory)) {
      if (name.startsWith('.new-')) continue;
      const path = join(directory, name);
      const [ram, folder] = await Promise.all([stat(join(path, 'ram')), stat(path)]).catch(() => []);
      if (ram !== undefined && folder !== undefined) found.push({ name, path, bytes: ram.blocks * 512, usedMs: folder.mtimeMs });
    }
    found.sort((a, b) => b.usedMs - a.usedMs);
    let total = 0;
    for (const { name, path, bytes } of found) {
      total += bytes;
      if (total > budgetBytes && !this.#ready.has(name)) await rm(path, { recursive: true, force: true });
    }
  }
}
