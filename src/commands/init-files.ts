import { Document, isScalar, Scalar, stringify, visit } from 'yaml'
import type { HostAddress } from '../core/host-address.ts'
import type { PciFunction } from '../core/snapshot.ts'
import { describeFunction } from '../pci/describe-function.ts'

/** What was chosen for one task. */
export type ChosenDevice = {
  readonly title: string
  readonly functions: readonly PciFunction[]
  /** Other devices of the group go as well. */
  readonly isWhole: boolean
  /** Risks that were accepted: code → why. */
  readonly accept: Readonly<Record<string, string>>
}

/** Inventory of one host, as Ansible reads it. A password is never written. */
export function formatInventory(host: HostAddress): string {
  const { name, connection, address, port, user, privateKeyFile, commonArgs, become, root } = host
  const variables = {
    ...(connection === 'local' ? { ansible_connection: 'local' } : {}),
    ...(address === name ? {} : { ansible_host: address }),
    ...(port === undefined ? {} : { ansible_port: port }),
    ...(user === undefined ? {} : { ansible_user: user }),
    ...(privateKeyFile === undefined ? {} : { ansible_ssh_private_key_file: privateKeyFile }),
    ...(commonArgs === undefined ? {} : { ansible_ssh_common_args: commonArgs.map(quoteWord).join(' ') }),
    ...(become ? { ansible_become: true } : {}),
    ...(root === null ? {} : { passway_root: root }),
  }
  return stringify(
    { all: { hosts: { [name]: Object.keys(variables).length === 0 ? null : variables } } },
    { nullStr: '' },
  )
}

function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}

/** A playbook with a task for each device. Devices stand by address and id, so that another card in the slot is noticed. */
export function formatPlaybook(host: string, chosen: readonly ChosenDevice[]): string {
  const tasks = chosen.map(({ title, functions, isWhole, accept }) => ({
    name: `${title} is for guests`,
    passthrough: {
      devices: functions.map(({ address, vendor, device }) => ({ address, id: `${vendor}:${device}` })),
      ...(isWhole ? { group: 'whole' } : {}),
    },
    ...(Object.keys(accept).length === 0 ? {} : { accept }),
  }))
  const about = chosen.flatMap(({ functions }) => functions.map((found) => `# ${describeFunction(found)}`))
  const play = { name: `Devices of ${host} for virtual machines`, hosts: host, tasks }
  return `${about.join('\n')}\n${formatPlays([play])}`
}

/** A device a line, its id in quotes: `{ address: 0000:01:00.0, id: "10de:1c82" }`. */
function formatPlays(plays: unknown): string {
  const document = new Document(plays)
  visit(document, {
    Map: (_, node) => {
      if (node.has('address')) node.flow = true
    },
    Pair: (_, { key, value }) => {
      if (isScalar(key) && key.value === 'id' && isScalar(value)) value.type = Scalar.QUOTE_DOUBLE
    },
  })
  return document.toString({ lineWidth: 110 })
}

/** What somebody without a terminal writes by hand. */
export const exampleFiles = `inventory.yaml:
  all:
    hosts:
      pve1:
        ansible_user: root
playbook.yaml:
  - name: Devices for virtual machines
    hosts: pve1
    tasks:
      - name: The graphics card is for guests
        passthrough:
          devices: ["0000:01:00.0"]`
