import { formatUser, type Rule, type Verdict } from './verdict.ts'

/** By what sudo 1.8 and 1.9 and sudo-rs 0.2 (src/common/error.rs, src/pam/error.rs) write. */
export const becomeRules: readonly Rule[] = [
  {
    pattern: /passway-sudo-missing/,
    verdict: (host) => ({
      code: 'SUDO_MISSING',
      message: `${formatUser(host)} is not root and there is no sudo`,
      hint: 'install sudo, or log in as root (ansible_user: root)',
    }),
  },
  {
    pattern: /you must have a tty|a terminal is required|no tty present/i,
    verdict: () => ({
      code: 'BECOME_TTY',
      message: 'sudo wants a terminal (requiretty)',
      hint: 'passway works without one: add "Defaults:USER !requiretty" to the sudoers of that host',
    }),
  },
  {
    pattern:
      /is not in the sudoers file|is not allowed to (?:execute|run|authenticate)|may not run|account validation failure|I'm afraid I can't do that/i,
    verdict: (host) => ({
      code: 'BECOME_DENIED',
      message: `sudo does not let ${formatUser(host)} run a shell as root`,
      hint: 'add the user to the sudoers of that host, or log in as root (ansible_user: root)',
    }),
  },
  {
    pattern: /incorrect (?:password|authentication) attempt|Sorry, try again|Authentication fail/i,
    verdict: () => passwordWrong,
  },
  {
    pattern:
      /a password is required|no password was provided|Authentication required|interaction is required|interactive authentication is required/i,
    verdict: () => passwordMissing,
  },
]

export const passwordWrong: Verdict = {
  code: 'BECOME_WRONG',
  message: 'sudo does not accept the password',
  hint: 'it was tried once only, so that no account is locked; give the right one with -K or ansible_become_password',
}

export const passwordMissing: Verdict = {
  code: 'BECOME_PASSWORD_MISSING',
  message: 'sudo asks for a password and none is known',
  hint: 'give it with -K (--ask-become-pass) or ansible_become_password, or allow the user NOPASSWD',
}
