import { closeSync, mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { GuestConnection } from '@berth/guest-protocol';
import { isFault } from '@berth/kit';
import type { ContainerSpec, LayerFile } from '@berth/runtime';
import type { Flavor } from '../flavor.ts';
import { faults } from '../faults.ts';
import { freshIdentity, newVmId } from '../identity.ts';
import { arrangeLayers } from '../layer-disks.ts';
import { scratchPlace } from '../qemu/command-line.ts';
import { vmPaths } from '../qemu/launch.ts';
import type { LiveTemplate } from '../template/live-template.ts';
import type { Template } from '../template/manifest.ts';
import { VmProcess } from './process.ts';
import { type VmRecord, writeRecord } from './record.ts';
import type { Taps } from './taps.ts';

/** How long a clone may take to come up before it counts as broken. */
const CLONE_LIMIT_MS = 30_000;
/** From the specification to a process that has been executed, on the busiest of machines. */
const START_LIMIT_MS = 120_000;

export interface ChildDeps {
  readonly vms: string;
  readonly instance: string;
  readonly acceleration: 'kvm' | 'tcg';
  readonly placeholder: string;
  /** The library for clones (`native/`). */
  readonly preload: string;
  readonly taps: Taps;
  /** Remembers that a VM is this daemon's. */
  readonly claim: (vmId: string) => void;
}

/** A clone that waits: file systems mounted, the container's first process forked, nothing of a tenant's in it. */
export interface Child {
  readonly vm: VmProcess;
  readonly agent: GuestConnection;
  record: VmRecord;
}

/** Where a start's time went. */
export type Mark = (phase: string) => void;

/** What a clone is a clone of: a live template, or one on disk, whose clone may itself become a live template. */
export type Origin = { readonly live: LiveTemplate } | { readonly template: Template; readonly forkControl?: number };

export interface ChildRequest {
  readonly from: Origin;
  readonly flavor: Flavor;
  readonly layers: readonly LayerFile[];
  /** Files with volumes; none in a fork. */
  readonly disks: readonly string[];
  /** The writable layer: a copy of the live template's or of the image template's own. */
  readonly scratch: string;
  readonly container?: string;
  readonly assign: (vmId: string) => void;
}

/**
 * Makes a clone. With a flavor's template the layers given and the writable layer are mounted now.
 * Leaves nothing behind when it fails (the scratch file is the caller's).
 */
export async function makeChild(deps: ChildDeps, request: ChildRequest, mark: Mark): Promise<Child> {
  const { from, flavor, disks } = request;
  const layers = arrangeLayers(request.layers, flavor.layerSlots - disks.length);
  const id = newVmId();
  deps.claim(id);
  const paths = vmPaths(join(deps.vms, id));
  const tap = deps.taps.open(id, 0, { vnetHeader: true });
  let vm: VmProcess | undefined;
  try {
    const intent: VmRecord = {
      id,
      flavor,
      pid: 0,
      startTicks: 0,
      scratch: request.scratch,
      nics: [{ index: 0, tap: tap.name }],
      ...(request.container === undefined ? {} : { container: request.container }),
    };
    mkdirSync(paths.directory, { recursive: true, mode: 0o700 });
    writeRecord(paths.directory, intent);
    request.assign(id);
    const name = `berth.${deps.instance}.${id}`;
    vm =
      'live' in from
        ? await from.live.fork({ name, paths, tap: tap.fd, scratch: request.scratch })
        : await VmProcess.launch({
            name,
            kernel: '',
            initramfs: '',
            kernelArguments: '',
            flavor,
            acceleration: deps.acceleration,
            ram: { path: from.template.ram, shared: false },
            layers: layers.disks,
            disks,
            scratch: request.scratch,
            placeholder: deps.placeholder,
            paths,
            tap: tap.fd,
            state: from.template.state,
            preload: deps.preload,
            forkControl: from.forkControl,
          });
    const record = { ...intent, pid: vm.pid, startTicks: vm.startTicks };
    writeRecord(paths.directory, record);
    mark('spawned');
    const agent = vm.connectAgent();
    try {
      await agent.hello({ signal: AbortSignal.timeout(CLONE_LIMIT_MS) });
      mark('hello');
      const prepared = 'live' in from || from.template.layers > 0;
      if (!prepared && layers.places.length > 0) {
        await agent.mountLayers(layers.places);
        mark('layers mounted');
        if (from.forkControl !== undefined) await agent.seal();
      }
      // After the last restore and before any tenant's code: from here on this machine is no other's twin.
      await agent.personalise({ ...freshIdentity(), warmUp: !('live' in from) && from.forkControl === undefined && request.container === undefined });
      mark('personalised');
      if (!prepared) {
        await agent.prepare({ scratch: { index: scratchPlace(flavor) }, format: false });
        mark('prepared');
      }
    } catch (error) {
      await agent[Symbol.asyncDispose]();
      if (isFault(error) && error.code !== 'agent-lost') throw error;
      throw vm.failure('the virtual machine did not get ready', error);
    }
    return { vm, agent, record };
  } catch (error) {
    await vm?.destroy();
    await rm(paths.directory, { recursive: true, force: true });
    throw error;
  } finally {
    closeSync(tap.fd);
  }
}

/** Starts a container in a clone that waits. Faults: the agent's, and `vm-failed`. */
export async function startIn(child: Child, spec: ContainerSpec): Promise<{ startedAtMs: number }> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(faults.deadline('starting the process', START_LIMIT_MS)), START_LIMIT_MS);
  try {
    return await Promise.race([child.agent.start(spec), promise]);
  } catch (error) {
    if (isFault(error) && error.code !== 'agent-lost') throw error;
    throw child.vm.failure('the virtual machine ended while its container was being started', error);
  } finally {
    clearTimeout(timer);
  }
}
