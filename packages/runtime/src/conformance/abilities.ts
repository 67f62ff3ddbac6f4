/**
 * What a runtime may lack. Without `root-filesystem` the suite uses the host's own commands; `process-one` means the
 * kernel's rules for signals to process 1; the rest are named for what they limit.
 */
export type Ability = 'root-filesystem' | 'process-one' | 'limits' | 'network' | 'users' | 'mounts' | 'sysctls' | 'init';
