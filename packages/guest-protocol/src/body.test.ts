import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipv4Bytes, ipv6Bytes, macBytes } from './addresses.ts';
import { BodyReader, BodyWriter } from './body.ts';
import { capabilityMask, rlimitNumber } from './names.ts';

test('what is written is read', () => {
  fc.assert(
    fc.property(fc.nat(), fc.maxSafeNat(), fc.string({ unit: 'grapheme' }), fc.array(fc.string()), (small, large, text, list) => {
      const clean = text.replaceAll('\0', '');
      const words = list.map((word) => word.replaceAll('\0', ''));
      const reader = new BodyReader(new BodyWriter().u8(true).u32(small).u64(large).string(clean).strings(words).done());
      assert.deepEqual([reader.u8(), reader.u32(), reader.number(), reader.string(), reader.list(() => reader.string())], [1, small, large, clean, words]);
      assert.throws(() => reader.u8(), RangeError);
    }),
  );
});

test('a short body is refused, not guessed', () => {
  const body = new BodyWriter().string('hello').done();
  for (let length = 0; length < body.length; length++) {
    assert.throws(() => new BodyReader(body.subarray(0, length)).string(), RangeError);
  }
});

test('addresses become bytes', () => {
  assert.equal(ipv4Bytes('10.0.2.255').toString('hex'), '0a0002ff');
  assert.equal(ipv6Bytes('::1').toString('hex'), `${'0'.repeat(31)}1`);
  assert.equal(ipv6Bytes('fd00:1::2:3').toString('hex'), 'fd000001000000000000000000020003');
  assert.equal(ipv6Bytes('::ffff:1.2.3.4').toString('hex'), '00000000000000000000ffff01020304');
  assert.equal(ipv6Bytes('1:2:3:4:5:6:7:8').toString('hex'), '00010002000300040005000600070008');
  assert.equal(macBytes('02:aB:00:00:00:01').toString('hex'), '02ab00000001');
  for (const bad of ['', '1.2.3', '1.2.3.256', '::1']) assert.throws(() => ipv4Bytes(bad), { code: 'address-invalid' });
  for (const bad of ['', ':::', '1:2', 'fe80::1%eth0', '10.0.0.1']) assert.throws(() => ipv6Bytes(bad), { code: 'address-invalid' });
});

test('capabilities and resource limits by name', () => {
  assert.equal(capabilityMask(['CHOWN', 'CAP_SYS_ADMIN', 'NO_SUCH']), 1n | (1n << 21n));
  assert.equal(capabilityMask(['CHECKPOINT_RESTORE']), 1n << 40n);
  assert.equal(capabilityMask(['ALL']), (1n << 41n) - 1n);
  assert.equal(rlimitNumber('nofile'), 7);
  assert.equal(rlimitNumber('RLIMIT_RTTIME'), 15);
  assert.throws(() => rlimitNumber('nope'), { code: 'rlimit-invalid' });
});
