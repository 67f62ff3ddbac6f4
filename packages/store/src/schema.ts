/** One row a container. The definition never changes after create, but for its name. */
export interface ContainerTable {
  id: string;
  name: string;
  /** Version of the JSON in `definition` and `endpoints`. */
  format: number;
  /** JSON of what was asked for. */
  definition: string;
  phase: string;
  /** What was begun and may be half-done: `''`, `start`, `remove-volumes`. */
  intent: string;
  /** Number of the run that is, or was last. 0: none yet. */
  run: number;
  pid: number;
  exit_code: number;
  oom_killed: number;
  error: string;
  started_at_ms: number;
  finished_at_ms: number;
  restart_count: number;
  /** JSON: what its restart policy and health check go by. */
  supervision: string;
  /** JSON: what the container has, or asks for, on each network. */
  endpoints: string;
  /** JSON: concrete host ports of the current run. */
  publications: string;
}

export interface NetworkTable {
  id: string;
  name: string;
  format: number;
  /** JSON. */
  definition: string;
  created_at_ms: number;
}

export interface VolumeTable {
  name: string;
  format: number;
  /** JSON. */
  definition: string;
  /** `''`, `create`, `remove`. */
  intent: string;
}

/** Single values: the installation's id. */
export interface FactTable {
  name: string;
  value: string;
}

export interface Schema {
  containers: ContainerTable;
  networks: NetworkTable;
  volumes: VolumeTable;
  facts: FactTable;
}
