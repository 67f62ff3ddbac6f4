import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '@berth/sys';
import { type Element, Firewall } from './firewall.ts';
import { inOwnNamespace } from './testing/own-namespace.ts';

const table = 'btf';
const port = (number: number, address = '10.0.0.1', comment = 'c'): Element => ({
  set: 'published_any',
  key: `6 . ${number}`,
  value: `${address} . 80`,
  comment,
});
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

inOwnNamespace(import.meta.url, () => {
  async function withFirewall(work: (firewall: Firewall, directory: string) => Promise<void>): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'berth-nft-'));
    const firewall = await Firewall.open(table, directory, silent);
    await work(firewall, directory);
    await firewall.delete();
    assert.deepEqual(await readdir(directory), []);
    await rm(directory, { recursive: true });
    assert.equal((await run('nft', ['list', 'tables'])).stdout, '');
  }

  test('a change is applied at whatever moment after another it comes', async () => {
    await withFirewall(async (firewall) => {
      for (let turns = 0; turns < 12; turns++) {
        await firewall.change({ add: [port(turns + 1)] });
        for (let turn = 0; turn < turns; turn++) await undefined;
        await firewall.change({ remove: [port(turns + 1)] });
      }
      assert.deepEqual(firewall.elements(), []);
    });
  });

  test('elements are read back from the kernel just as they were written, of every set', async () => {
    await withFirewall(async (firewall, directory) => {
      const elements: Element[] = [
        { set: 'bridges', key: '"btf-12345678"' },
        { set: 'internal', key: '"btf0"' },
        { set: 'segments', key: '"btf0" . 172.17.0.0/16' },
        { set: 'segments', key: '"btf-12345678" . 10.0.0.0/8' },
        { set: 'segments', key: '"btf-87654321" . 10.0.0.4/30' },
        { set: 'gateways', key: '"btf0" . 172.17.0.1' },
        { set: 'hairpins', key: '"btf0" . "btf0"' },
        { set: 'own_ports', key: '10.0.0.1 . 6 . 80', comment: 'c'.repeat(64) },
        { set: 'published_at', key: '127.0.0.1 . 17 . 53', value: '10.0.0.1 . 5353', comment: 'd'.repeat(64) },
        // Ports that have names in /etc/services must not come back as names.
        ...[22, 80, 443, 5432, 65_535].map((number) => port(number)),
      ];
      await firewall.change({ add: elements });
      const again = await Firewall.open(table, directory, silent);
      const sorted = (list: readonly Element[]) => list.map((element) => JSON.stringify([element.set, element.key, element.value, element.comment])).sort();
      assert.deepEqual(sorted(again.elements()), sorted(elements));
      await again.change({ remove: elements });
      const third = await Firewall.open(table, directory, silent);
      assert.deepEqual(third.elements(), []);
    });
  });

  test('of many changes at once the wrong one fails alone, and an element may change hands', async () => {
    await withFirewall(async (firewall, directory) => {
      await firewall.change({ add: [port(1), port(2)] });
      const results = await Promise.allSettled([
        firewall.change({ add: [port(3)] }),
        firewall.change({ add: [{ set: 'published_any', key: '6 . banana', value: '10.0.0.1 . 80' }] }),
        firewall.change({ remove: [port(1)], add: [port(1, '10.0.0.2', 'e')] }),
        firewall.change({ add: [port(2, '10.0.0.3', 'f')] }),
        firewall.change({ remove: [port(99)] }),
      ]);
      assert.deepEqual(
        results.map((result) => result.status),
        ['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled'],
      );
      const kernel = (await Firewall.open(table, directory, silent)).elements();
      assert.deepEqual(kernel.map((element) => `${element.key} ${element.value} ${element.comment}`).sort(), [
        '6 . 1 10.0.0.2 . 80 e',
        '6 . 2 10.0.0.3 . 80 f',
        '6 . 3 10.0.0.1 . 80 c',
      ]);
    });
  });

  test('a table of another shape is replaced', async () => {
    await run('nft', [`table inet ${table} { set bridges { type ipv4_addr; elements = { 10.0.0.1 }; }; chain old { type filter hook input priority 0; }; }`]);
    await withFirewall(async (firewall) => {
      await firewall.change({ add: [{ set: 'bridges', key: '"btf0"' }] });
      assert.doesNotMatch((await run('nft', ['list', 'table', 'inet', table])).stdout, /chain old/);
    });
  });
});
