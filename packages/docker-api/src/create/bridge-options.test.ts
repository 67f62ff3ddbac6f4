import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bridgeOptions } from './bridge-options.ts';

const bridge = 'com.docker.network.bridge.';

test('options of the bridge driver: taken, or refused in one of two ways; those of nobody are kept', () => {
  const taken = {
    [`${bridge}enable_icc`]: 'False',
    [`${bridge}enable_ip_masquerade`]: '0',
    [`${bridge}host_binding_ipv4`]: '127.0.0.1',
    [`${bridge}gateway_mode_ipv4`]: 'nat',
    [`${bridge}default_bridge`]: 'false',
    'com.docker.network.driver.mtu': '1400',
    'com.docker.network.container_iface_prefix': 'net',
    foo: 'bar',
  };
  assert.deepEqual(bridgeOptions(taken), taken);
  const refused: [string, string, RegExp][] = [
    [`${bridge}enable_icc`, 'maybe', /^failed to parse .*enable_icc value: maybe \(strconv.ParseBool: parsing "maybe": invalid syntax\)$/],
    [`${bridge}host_binding_ipv4`, 'zzz', /^failed to parse .* value: zzz \(nil ip\)$/],
    ['com.docker.network.driver.mtu', 'abc', /^failed to parse .* value: abc \(strconv.Atoi: parsing "abc": invalid syntax\)$/],
    ['com.docker.network.driver.mtu', '67', /^invalid MTU/],
    ['com.docker.network.container_iface_prefix', 'a/b', /links of containers/],
  ];
  for (const [name, value, message] of refused) assert.throws(() => bridgeOptions({ [name]: value }), { kind: 'invalid', message });
  for (const [name, value] of [
    [`${bridge}name`, 'br7'],
    [`${bridge}default_bridge`, 'true'],
    [`${bridge}gateway_mode_ipv4`, 'routed'],
    [`${bridge}__proto__`, 'x'],
  ] as const) {
    assert.throws(() => bridgeOptions({ [name]: value }), { kind: 'unsupported', message: /not supported by Berth yet|not possible with Berth: / }, name);
  }
});
