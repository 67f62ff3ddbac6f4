/**
 * What a runtime may lack, and then says so. Without `root-filesystem` the suite uses the host's own commands and asks
 * nothing of /etc and the writable layer; `process-one` means the kernel's rules for signals to process 1; the others are
 * named for what they limit.
 */
export type Ability = 'root-filesystem' | 'process-one' | 'limits' | 'network' | 'users' | 'mounts' | 'sysctls' | 'init';
