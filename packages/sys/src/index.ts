/**
 * The only place that starts processes and touches links, mounts, cgroups and namespaces. Everything here is a thin,
 * typed door to the kernel or to one tool; no policy.
 */
export { run, type RunOptions, type RunResult } from './run.ts';
export { filter } from './filter.ts';
export { openPty, resizePty, type Pty } from './pty.ts';
export { ipBatch, listIpv4Addresses, listLinks, listRoutes, type Link, type Route } from './links.ts';
export { NetworkNamespace } from './network-namespace.ts';
export { applyNft, listNftChains, listNftTable, removeNftLeftovers, type NftBody, type NftObject } from './nft.ts';
export { readSysctl, writeSysctl, type SysctlPath } from './sysctl.ts';
export { lockFile, type FileLock } from './file-lock.ts';
export { connectUnix, listenUnix, sendDescriptors, socketPair } from './unix-socket.ts';
export { attachToBridge, detachFromBridge, linkExists, openTap, setLinkMtu, setLinkUp } from './tap.ts';
export { spawnDetached, type DetachedProcess } from './detached.ts';
export { findProcesses, processCpuSeconds, processPssBytes, processStartTicks } from './process-facts.ts';
export { hostMemory } from './host-memory.ts';
export { makeDisk } from './disk-file.ts';
export { copySparse, dataRanges } from './sparse-file.ts';
export { forgetConnections, type Connection } from './conntrack.ts';
export { enterOwnNetwork } from './own-network.ts';
export { releaseFreedMemory } from './free-memory.ts';
