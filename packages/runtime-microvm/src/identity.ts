import { randomBytes, randomUUID } from 'node:crypto';

/** What makes a clone itself: fresh randomness, the time, ids of its own. */
export function freshIdentity(): { entropy: Buffer; timeNs: bigint; machineId: string; bootId: string } {
  return { entropy: randomBytes(64), timeNs: BigInt(Date.now()) * 1_000_000n, machineId: randomBytes(16).toString('hex'), bootId: randomUUID() };
}

/** Seven hex digits, so that a tap's name (prefix, `t`, these, one more) fits into the kernel's fifteen bytes. */
export function newVmId(): string {
  return randomBytes(4).toString('hex').slice(1);
}
