/** The map of ARCHITECTURE.md as code: who may import whom, who may start processes, how big a file may be. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, join } from 'node:path';
import { test } from 'node:test';

const root = import.meta.dirname;

/** Imports go down: a package may use packages of lower layers. */
const layers: Readonly<Record<string, number>> = {
  kit: 0,
  'docker-wire': 0,
  sys: 0,
  dockerfile: 0,
  runtime: 1,
  'guest-protocol': 1,
  store: 1,
  images: 1,
  network: 1,
  'runtime-microvm': 2,
  engine: 2,
  builder: 2,
  'docker-api': 3,
};

/** Sideways only where drawn: who → whom. Ports speak of each other's shapes; everything else meets above. */
const sideways: Readonly<Record<string, readonly string[]>> = {
  sys: ['kit'],
  'docker-wire': ['kit'],
  dockerfile: ['kit'],
  'guest-protocol': ['runtime'],
  images: ['runtime', 'store'],
  network: ['runtime'],
  builder: ['engine'],
};

/** What `programs/*` constructs and hands to constructors. In packages only its owner, and tests, may name it as a value. */
const adapters: Readonly<Record<string, string>> = {
  MicrovmRuntime: 'runtime-microvm',
  HostNetworking: 'network',
  ImageStore: 'images',
  ContainerEngine: 'engine',
  ImageBuilder: 'builder',
  createDockerApi: 'docker-api',
};

const maximumLines = 400;

interface Source {
  readonly path: string;
  /** `kit` for packages/kit/…; undefined elsewhere. */
  readonly owner: string | undefined;
  readonly text: string;
  readonly imports: readonly { readonly from: string; readonly names: string; readonly typeOnly: boolean }[];
  readonly isTest: boolean;
}

const sources: Source[] = globSync(['packages/**/*.ts', 'programs/**/*.ts', 'programs/**/*.mjs', 'test/**/*.ts', 'bench/**/*.ts', '*.ts', '*.mjs'], {
  cwd: root,
  exclude: (path) => path === 'node_modules' || path.endsWith('/node_modules') || path === 'build',
}).map((path) => {
  const text = readFileSync(join(root, path), 'utf8');
  const statement = /^(?:import\s+(type\s+)?(?:([\w$*{},\s]+?)\s+from\s+)?|export\s+(type\s+)?([\w$*{},\s]+?)\s+from\s+)'([^'\n]+)'/gm;
  const imports = [...text.matchAll(statement)].map((match) => ({
    from: match[5] ?? '',
    names: match[2] ?? match[4] ?? '',
    typeOnly: (match[1] ?? match[3]) !== undefined,
  }));
  const dynamic = [...text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g)].map((match) => ({ from: match[1] ?? '', names: '', typeOnly: false }));
  const isTest =
    path.endsWith('.test.ts') || /^(test|bench)\//.test(path) || /^packages\/[^/]+\/test\//.test(path) || /\/(conformance|fake|testing|stand-ins)\//.test(path);
  return { path, owner: /^packages\/([^/]+)\//.exec(path)?.[1], text, imports: [...imports, ...dynamic], isTest };
});

interface Manifest {
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}
const manifest = (folder: string) => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;

/** Fails with every finding at once rather than with the first. */
function none(findings: readonly string[]): void {
  assert.equal(findings.length, 0, `\n${findings.join('\n')}`);
}

test('every package has a layer and every layer a package', () => {
  const packages = globSync('packages/*/package.json', { cwd: root }).map((path) => path.split('/')[1] ?? '');
  assert.deepEqual(packages.sort(), Object.keys(layers).sort());
});

test('packages import down, and sideways only where drawn', () => {
  const findings: string[] = [];
  for (const source of sources) {
    if (source.owner === undefined || source.isTest) continue;
    const own = layers[source.owner] ?? 0;
    for (const { from } of source.imports) {
      const target = /^@berth\/([^/]+)/.exec(from)?.[1];
      if (target === undefined || target === source.owner) continue;
      const layer = layers[target];
      if (layer === undefined || (layer >= own && !sideways[source.owner]?.includes(target))) findings.push(`${source.path} imports ${from}`);
    }
  }
  none(findings);
});

test('a package is entered by its exports', () => {
  const findings: string[] = [];
  for (const source of sources) {
    for (const { from } of source.imports) {
      const match = /^@berth\/([^/]+)(\/.*)?$/.exec(from);
      if (match !== null) {
        const folder = existsSync(join(root, 'packages', match[1] ?? '')) ? 'packages' : 'programs';
        const entries = manifest(`${folder}/${match[1]}`).exports ?? {};
        if (entries[`.${match[2] ?? ''}`] === undefined) findings.push(`${source.path} imports ${from}, which is not exported`);
      }
      if (source.owner !== undefined && from.startsWith('.') && !join(source.path, '..', from).startsWith(`packages/${source.owner}/`)) {
        // Tests may look over the fence at what is shared between tests.
        if (!source.isTest || !/(^|\/)test\//.test(from)) findings.push(`${source.path} leaves its package: ${from}`);
      }
    }
  }
  none(findings);
});

test('what is imported is declared', () => {
  const findings: string[] = [];
  const shared = manifest('.');
  for (const source of sources) {
    const folder = /^((?:packages|programs)\/[^/]+)\//.exec(source.path)?.[1];
    const own = folder !== undefined && existsSync(join(root, folder, 'package.json')) ? manifest(folder) : {};
    for (const { from } of source.imports) {
      if (from.startsWith('.') || from.startsWith('node:') || builtinModules.includes(from)) continue;
      const name = from.startsWith('@') ? from.split('/').slice(0, 2).join('/') : (from.split('/')[0] ?? '');
      if (name.startsWith('@berth/')) {
        if (folder === undefined || source.isTest || name === `@berth/${basename(folder)}`) continue;
        if (own.dependencies?.[name] === undefined) findings.push(`${folder}/package.json does not declare ${name} (${source.path})`);
      } else if (![shared.dependencies, shared.devDependencies, own.dependencies, own.devDependencies].some((list) => list?.[name] !== undefined)) {
        findings.push(`${source.path} imports ${name}, which no package.json declares`);
      }
    }
  }
  none([...new Set(findings)]);
});

test('only programs construct adapters', () => {
  const findings: string[] = [];
  for (const source of sources) {
    if (source.owner === undefined || source.isTest) continue;
    for (const { names, typeOnly } of source.imports) {
      if (typeOnly) continue;
      for (const [adapter, owner] of Object.entries(adapters)) {
        if (owner !== source.owner && new RegExp(`(?<!type )\\b${adapter}\\b`).test(names)) findings.push(`${source.path} takes ${adapter} as a value`);
      }
    }
  }
  none(findings);
});

test('only packages/sys starts processes', () => {
  const allowed = (source: Source) => source.owner === 'sys' || source.isTest || source.path.startsWith('programs/bootstrap/');
  none(
    sources
      .filter((source) => !allowed(source) && source.imports.some(({ from, typeOnly }) => /^(node:)?child_process$/.test(from) && !typeOnly))
      .map(({ path }) => path),
  );
});

test('a file is one idea: never over 400 lines, and its name says which', () => {
  const tooLong = sources
    .filter((source) => source.text.split('\n').length > maximumLines + 1)
    .map(({ path, text }) => `${path}: ${text.split('\n').length} lines`);
  const illNamed = sources.filter(
    ({ path }) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.bench|\.d)?\.(ts|mjs)$/.test(basename(path)) || /(^|\/)(utils?|helpers?|managers?)(\/|\.|$)/.test(path),
  );
  none([...tooLong, ...illNamed.map(({ path }) => `${path}: name`)]);
});

test('every package begins with a paragraph about itself', () => {
  const findings: string[] = [];
  for (const path of globSync('packages/*/src/index.ts', { cwd: root })) {
    const opening = /^\/\*\*([\s\S]*?)\*\//.exec(readFileSync(join(root, path), 'utf8'))?.[1] ?? '';
    if (opening.replace(/[\s*]+/g, ' ').trim().length < 80) findings.push(path);
  }
  none(findings);
});

test('nothing is postponed or silenced in the code', () => {
  // Written so that this file does not find itself.
  const words = /\bT[O]DO\b|\bFIX[M]E\b|\bas [a]ny\b|@ts-(?:ignore|nocheck|expect-error)|(?:eslint|oxlint)-disable|biome-[i]gnore/;
  const skipped = /\b(test|it|describe)\.(skip|only|todo)\(|\bskip: true\b|\btodo: true\b/;
  none(sources.filter(({ text, path }) => path !== 'architecture.test.ts' && (words.test(text) || skipped.test(text))).map(({ path }) => path));
});

test('what is exported is used by another file', () => {
  const findings: string[] = [];
  // To export it again is not to use it.
  const texts = new Map(sources.map((source) => [source, source.text.replace(/^export [^;]*? from '[^']+';/gm, '')]));
  for (const source of sources) {
    if (/(^|\/)index\.ts$/.test(source.path) || source.isTest) continue;
    for (const match of source.text.matchAll(/^export (?:async )?(?:function\*?|const|class|let) (\w+)/gm)) {
      const name = match[1] ?? '';
      const word = new RegExp(`\\b${name}\\b`);
      const users = sources.filter((other) => other !== source && word.test(texts.get(other) ?? ''));
      if (users.length === 0) findings.push(`${source.path}: ${name}`);
    }
  }
  none(findings);
});

test('every npm package that is declared is used', () => {
  const { dependencies, devDependencies } = manifest('.');
  const used = new Set(
    sources.flatMap((source) => source.imports.map(({ from }) => (from.startsWith('@') ? from.split('/').slice(0, 2).join('/') : from.split('/')[0]))),
  );
  // Run by name, or types of what is imported.
  const tools = ['typescript', 'oxlint', '@biomejs/biome'];
  none(Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !used.has(name) && !tools.includes(name) && !name.startsWith('@types/')));
});

test('documents name what is there', () => {
  const findings: string[] = [];
  const documents = globSync('**/*.md', { cwd: root, exclude: (path) => /(^|\/)(node_modules|build)$/.test(path) });
  for (const path of documents) {
    const text = readFileSync(join(root, path), 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (!/^[a-z]+:/.test(target) && !existsSync(join(root, path, '..', target))) findings.push(`${path} links to ${target}`);
    }
    for (const [, target = ''] of text.matchAll(/`((?:packages|programs|test|bench|docs)\/[\w./-]+)`/g)) {
      if (!existsSync(join(root, target)) && !existsSync(join(root, path, '..', target))) findings.push(`${path} names ${target}`);
    }
    for (const [, figure = ''] of text.matchAll(/npm run bench -- --only ([\w-]+)/g)) {
      if (figure !== 'NAME' && !existsSync(join(root, 'bench/figures', `${figure}.ts`))) findings.push(`${path} names the figure ${figure}`);
    }
  }
  none(findings);
});
