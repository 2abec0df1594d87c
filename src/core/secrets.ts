/**
 * Kernel arguments whose values are secrets: never shown, neither in diffs nor in JSON.
 * dracut.cmdline(7): rd.iscsi.*, netroot=iscsi:user:password@…; systemd(1): systemd.set_credential*; man 7 bootparam has none.
 */
const secretArguments = [
  'rd.iscsi.password',
  'rd.iscsi.in.password',
  'rd.iscsi.username',
  'netroot',
  'systemd.set_credential',
  'systemd.set_credential_binary',
  'cifsroot',
  'nbdroot',
  'root_password',
]

const pattern = new RegExp(
  String.raw`(^|[\s"'=])((?:${secretArguments.map((name) => name.replaceAll('.', String.raw`\.`)).join('|')})=)("[^"]*"|[^\s"']+)`,
  'g',
)

/** Replaces the values of secret kernel arguments anywhere in a text by `***`. */
export function maskSecrets(text: string): string {
  return text.replaceAll(pattern, '$1$2***')
}
