/**
 * The way back for a person at the console of a host that does not answer: shown before a reboot, and kept in the
 * record on the host and in the controller's copy.
 */
export function rescueLines(record: string, stateDirectory: string): string[] {
  const agent = `${stateDirectory}/agent.sh`
  return [
    `in the loader\u2019s menu choose "passway: before ${record}"`,
    `then, as root: sh ${agent} rollback ${record}`,
    `from a rescue system, with the host\u2019s root file system at /mnt: sh /mnt${agent} rollback ${record} --root /mnt`,
  ]
}
