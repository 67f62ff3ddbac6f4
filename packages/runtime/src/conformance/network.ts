import assert from 'node:assert/strict';
import type { NicSpec } from '../port.ts';
import type { Define, Trial } from './subject.ts';

const show = 'ip -o addr; ip route; read x; ip -o addr; ip route; read x; ip -o addr; ip route; echo end';

function nicsOf(trial: Trial): readonly [NicSpec, NicSpec] {
  const { nics } = trial.subject;
  assert.ok(nics !== undefined, 'a subject with networks gives two NICs');
  return nics;
}

export function networkTests(define: Define): void {
  define(
    'has loopback and nothing else without a network',
    async (trial) => {
      const { stdout } = await trial.run(['sh', '-c', 'ip -o addr; ping -c 1 127.0.0.1 > /dev/null && echo reached']);
      assert.match(stdout, /\blo\b.*127\.0\.0\.1\/8/);
      assert.doesNotMatch(stdout, /eth\d.* inet /);
      assert.match(stdout, /reached/);
    },
    ['network'],
  );

  define(
    'has the address, the MAC and the route given; joins and leaves networks while it runs',
    async (trial) => {
      const [first, second] = nicsOf(trial);
      const { container, recorder } = await trial.start(trial.spec(['sh', '-c', show], { networks: [first], process: { stdin: true } }));
      const place = (nic: NicSpec) => `${nic.ipv4.address}/${nic.ipv4.prefix}`;
      await recorder.until(place(first));
      if (first.gateway !== undefined) await recorder.until(`default via ${first.gateway}`);
      await container.connectNetwork(second);
      // As a daemon does that cannot know how far the last one came.
      await container.connectNetwork(second);
      assert.deepEqual([...container.networkIds()].sort(), [first.networkId, second.networkId].sort());
      await container.writeStdin(Buffer.from('\n'));
      await recorder.until(place(second));
      await container.disconnectNetwork(second.networkId);
      await container.disconnectNetwork(second.networkId);
      assert.deepEqual(container.networkIds(), [first.networkId]);
      const before = recorder.text().length;
      await container.writeStdin(Buffer.from('\n'));
      await recorder.until('end');
      const after = recorder.text().slice(before);
      assert.ok(after.includes(place(first)) && !after.includes(place(second)), after);
      await container.exited;
      await container.destroy();
    },
    ['network'],
  );

  define(
    'has the MAC given',
    async (trial) => {
      const [first] = nicsOf(trial);
      const { stdout } = await trial.run(['cat', `/sys/class/net/${first.name}/address`], { networks: [first] });
      assert.equal(stdout.trim(), first.mac);
    },
    ['network'],
  );
}
