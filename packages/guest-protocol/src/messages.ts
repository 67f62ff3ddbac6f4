/** Message types; `docs/design/guest-protocol.md` has their bodies. */
export const PROTOCOL_VERSION = 1;

export const toAgent = {
  hello: 0x01,
  mountLayers: 0x02,
  seal: 0x03,
  personalise: 0x04,
  prepare: 0x05,
  start: 0x06,
  follow: 0x07,
  journalAck: 0x08,
  stdin: 0x0a,
  stdinClose: 0x0b,
  resize: 0x0c,
  signal: 0x0d,
  freeze: 0x0e,
  exec: 0x0f,
  execCredit: 0x10,
  processes: 0x11,
  statistics: 0x12,
  configureNetwork: 0x13,
  removeNetwork: 0x14,
  updateFiles: 0x15,
  updateLimits: 0x16,
  shutdown: 0x17,
  files: 0x18,
} as const;

export const toHost = {
  welcome: 0x80,
  reply: 0x81,
  fault: 0x82,
  journal: 0x83,
  exit: 0x84,
  execOutput: 0x85,
  execExit: 0x86,
  stdinCredit: 0x87,
} as const;
