/** How a host is reached, from the inventory's connection variables and the command line. */
export type HostAddress = {
  /** As in the inventory. */
  readonly name: string
  readonly connection: 'ssh' | 'local'
  /** `ansible_host`, else the name: a host name, an IP address, or an alias of the user's ssh configuration. */
  readonly address: string
  readonly port?: number
  readonly user?: string
  readonly privateKeyFile?: string
  /** `ansible_ssh_common_args`, split into words as a shell does. */
  readonly commonArgs?: readonly string[]
  /** Run programs as root through sudo. */
  readonly become: boolean
  readonly becomePassword?: string
  /** `passway_root`: absolute directory on that host which stands for the whole host; null for the host itself. */
  readonly root: string | null
  /** `passway_power`: a command on this machine that cycles the host's power, as an argument list. */
  readonly power?: readonly string[]
}
