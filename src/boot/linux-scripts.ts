/** Scripts of /etc/grub.d whose entries get GRUB_CMDLINE_LINUX and GRUB_CMDLINE_LINUX_DEFAULT, and boot this system. */
export const linuxScripts: ReadonlySet<string> = new Set(['10_linux', '10_linux_zfs'])
