import type { HostAddress } from '../core/host-address.ts'
import { formatKnownName, formatManualLogin, formatTarget, type Rule, type Verdict } from './verdict.ts'

/** By what ssh writes to standard error; texts of OpenSSH 7.4 to 9.9. The first that matches counts: what a jump host complains of comes before what it makes of the connection. */
export const connectionRules: readonly Rule[] = [
  {
    pattern:
      /Bad configuration option|bad configuration options|Bad owner or permissions on|Can't open user config file|missing argument|unknown option -- |illegal option -- |^usage: ssh/m,
    verdict: (host) => ({
      code: 'SSH_CONFIG_INVALID',
      message: `the ssh client does not accept its configuration for ${host.address}`,
      hint: 'correct the file or ansible_ssh_common_args as ssh says',
      reached: false,
    }),
  },
  {
    pattern: /Could not resolve hostname/,
    verdict: (host) => ({
      code: 'HOST_NAME_UNKNOWN',
      message: `the name ${host.address} cannot be resolved`,
      hint: 'set ansible_host to an address, or add the name to DNS, /etc/hosts or the ssh configuration',
      reached: false,
    }),
  },
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY DETECTED|DNS SPOOFING DETECTED/,
    verdict: (host) => ({
      code: 'HOST_KEY_CHANGED',
      message: `${formatTarget(host)} shows another host key than the one that is known`,
      hint: `find out why; if the machine was really reinstalled: ssh-keygen -R ${formatKnownName(host)}, then log in once by hand and compare the new key`,
      reached: false,
    }),
  },
  {
    pattern: /Host key verification failed|host key is known for|key is not known by any other names/,
    verdict: (host) => ({
      code: 'HOST_KEY_UNKNOWN',
      message: `the host key of ${formatTarget(host)} is not known`,
      hint: `log in once by hand and compare the key: ${formatManualLogin(host)}`,
      reached: false,
    }),
  },
  {
    pattern:
      /Permission denied \(|Permission denied, please try again|Too many authentication failures|No more authentication methods|No supported authentication methods/,
    verdict: (host) => ({
      code: 'AUTHENTICATION_FAILED',
      message: `${formatTarget(host)} does not accept our login`,
      hint: `passway never asks for ssh passwords or passphrases: load the key into ssh-agent, or set ansible_user and ansible_ssh_private_key_file; try: ${formatManualLogin(host)}`,
      reached: false,
    }),
  },
  {
    pattern: /Connection refused/,
    verdict: (host) => ({
      code: 'CONNECTION_REFUSED',
      message: `${formatTarget(host)} refuses the connection: no ssh server listens there`,
      hint: 'check ansible_host and ansible_port, and that sshd runs',
      reached: false,
    }),
  },
  {
    pattern: /timed out|Timeout before authentication/,
    verdict: (host) => ({
      code: 'CONNECTION_TIMED_OUT',
      message: `${formatTarget(host)} does not answer`,
      hint: 'check that it is switched on and that no firewall stands between; ConnectTimeout can be raised in ansible_ssh_common_args',
      reached: false,
    }),
  },
  {
    pattern: /No route to host|Network is unreachable|Host is down|Cannot assign requested address/,
    verdict: (host) => ({
      code: 'NO_ROUTE',
      message: `there is no way through the network to ${formatTarget(host)}`,
      hint: 'check the address, the routes of this machine and its VPN',
      reached: false,
    }),
  },
  {
    pattern: /Unable to negotiate with|no matching (?:host key type|key exchange method|cipher|MAC) found/,
    verdict: (host) => ({
      code: 'SSH_ALGORITHMS_DIFFER',
      message: `ssh and ${formatTarget(host)} have no algorithm in common`,
      hint: 'update sshd there, or allow the algorithm for this host in the ssh configuration',
      reached: false,
    }),
  },
  {
    pattern: /Not allowed at this time/,
    verdict: (host) => ({
      code: 'CONNECTION_PENALISED',
      message: `${formatTarget(host)} turns this machine away for a while (PerSourcePenalties)`,
      hint: 'earlier logins failed too often; wait up to ten minutes, or exempt this machine with PerSourcePenaltyExemptList',
      reached: false,
    }),
  },
  {
    pattern: /kex_exchange_identification|ssh_exchange_identification|Exceeded MaxStartups|banner exchange/,
    verdict: (host) => ({ ...notConnected(host), retry: true }),
  },
]

/** By what is written after a login that ssh takes for a good one. */
export const loginRules: readonly Rule[] = [
  {
    pattern: /password has expired|Password change required|account has expired/,
    verdict: (host) => ({
      code: 'AUTHENTICATION_FAILED',
      message: `${formatTarget(host)} wants a new password before anything else`,
      hint: `log in once by hand: ${formatManualLogin(host)}`,
      reached: false,
    }),
  },
]

export function notConnected(host: HostAddress): Verdict {
  return {
    code: 'CONNECTION_LOST',
    message: `the connection to ${formatTarget(host)} ended before the login`,
    hint: 'look at the log of sshd there (MaxStartups, DenyUsers, a firewall); then run the command again',
    reached: false,
  }
}
