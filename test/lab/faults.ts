/** What goes wrong with a trial, and what must be seen at the end. Adding a fault is adding a row. */
export type Fault = {
  readonly name: string
  /** `staged`: a trial waits for its boot; `fresh`: nothing of passway is there yet. */
  readonly from: 'staged' | 'fresh'
  readonly steps: readonly Step[]
  /** How the host must be at the end, on ssh and with nothing left to do: as before it, or as the playbook says. */
  readonly end: 'old' | 'new' | 'old or new'
  /** Why the record says that it was reverted; null: any reason, or none. */
  readonly reason: readonly string[] | null
  /** Images are built on the way, by somebody in the window or by the rollback of a commit: other bytes, no copy of before. */
  readonly buildsImages: boolean
}

export type Step =
  /** Shell for the host, behind `faultShell`. */
  | { readonly on: 'host'; readonly run: string; readonly mayCut?: true }
  /** A command of passway, the exit status it must have, and what it must say. */
  | {
      readonly on: 'controller'
      readonly run: readonly string[]
      readonly exit: readonly number[]
      readonly says: RegExp
      /** What happens when the machine starts again. */
      readonly atRestart?:
        | 'kill the controller'
        | 'pull the cable'
        | 'set the clock back'
        | 'cut the power in its early unit'
    }
  /** Until the host has ended the record by itself. */
  | { readonly on: 'time' }

const bySelf = /took record \S+ back by itself/
const committed = /"state": ?"committed"/
const limits = ['--confirm-within', '150s', '--reboot-timeout', '4m']

function host(run: string): Step {
  return { on: 'host', run }
}

type Command = Extract<Step, { on: 'controller' }>
type Wish = Partial<Omit<Command, 'on' | 'run'>>

function passway(run: readonly string[], { exit = [1], says = bySelf, ...rest }: Wish = {}): Command {
  return { on: 'controller', run, exit, says, ...rest }
}

function reboot(wish: Wish = {}): Step {
  return passway(['reboot', ...limits], wish)
}

/** The trial is left running. */
const hold = passway(['reboot', '--hold', ...limits], { exit: [0], says: /"state": ?"trial"/ })
const confirm = (wish: Wish = {}) => passway(['confirm'], wish)
const time: Step = { on: 'time' }

type Row = Pick<Fault, 'name' | 'steps'> & Partial<Fault>

function withReason(reason: readonly string[], rows: readonly Row[]): readonly Row[] {
  return rows.map((row) => ({ reason, ...row }))
}

/** A trial that never gets as far as its early unit. */
const notUp = withReason(
  ['TRIAL_FAILED', 'NOT_BOOTED'],
  [
    {
      name: 'wrong root=',
      steps: [host('entry "root=[^ ]*" root=UUID=00000000-dead-4000-8000-000000000000'), reboot()],
    },
    { name: 'init that ends at once', steps: [host('argument init=/bin/false'), reboot()] },
    {
      name: 'vfio-pci takes the controller of the root disk',
      steps: [host('bind 1af4:1001,1af4:1042 virtio_pci'), reboot()],
    },
    { name: 'huge pages that leave no memory', steps: [host('argument hugepages=1000'), reboot()] },
    {
      name: 'image without the driver of the disk',
      steps: [
        host(`unmkinitramfs "$TRIAL" /tmp/all
        find /tmp/all -name 'virtio_blk.ko*' -delete
        (cd /tmp/all && find . | cpio -o -H newc --quiet) > "$TRIAL.new"
        mv "$TRIAL.new" "$TRIAL"
        reseal`),
        reboot(),
      ],
    },
    {
      name: 'truncated image',
      steps: [
        host('cp "$TRIAL" "$TRIAL.new"; truncate -s 3000000 "$TRIAL.new"; mv "$TRIAL.new" "$TRIAL"; reseal'),
        reboot(),
      ],
    },
    {
      name: 'kernel file missing in the trial entry',
      steps: [host('entry "/vmlinuz-" /no-vmlinuz-'), reboot()],
    },
  ],
)

/** A trial that runs, and nobody can log in. */
const notReached = withReason(
  ['DEADLINE'],
  [
    {
      name: 'vfio-pci takes the NIC that carries ssh',
      steps: [host('bind 8086:10d3 e1000e'), reboot()],
    },
    {
      name: 'sshd that does not start',
      steps: [host('echo NoSuchOption yes | boot_file /etc/ssh/sshd_config.d/lab.conf'), reboot()],
    },
    {
      name: 'driver of the NIC on the blacklist',
      steps: [host('echo blacklist e1000e | boot_file /etc/modprobe.d/zz-lab.conf'), reboot()],
    },
    { name: 'network cut after the reboot', steps: [reboot({ atRestart: 'pull the cable' })] },
    {
      name: 'bad fstab: emergency mode, root is locked',
      steps: [
        host(`printf '%s\\n' '/scripts/init-bottom/udev "$@"' '/scripts/init-bottom/lab "$@"' |
          image_file scripts/init-bottom/ORDER
        image_file scripts/init-bottom/lab 755 <<'LAB'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
cat "$rootmnt/etc/fstab" > /run/lab-fstab
echo 'UUID=00000000-dead-4000-8000-000000000000 /srv ext4 defaults,x-systemd.device-timeout=5s 0 2' >> /run/lab-fstab
mount -o bind /run/lab-fstab "$rootmnt/etc/fstab"
LAB`),
        reboot(),
      ],
    },
    {
      name: 'controller killed after arming',
      steps: [reboot({ atRestart: 'kill the controller', exit: [255] }), time, confirm()],
    },
    {
      name: 'nobody confirms, and the clock was set back',
      steps: [{ ...hold, atRestart: 'set the clock back' }, time, confirm()],
    },
  ],
)

/** All processors spin above everything, from the moment modules are loaded behind the image. */
const spin = `cat > /root/lab-hang <<'HANG'
echo lab: hangs > /dev/console
echo -1 > /proc/sys/kernel/sched_rt_runtime_us
for cpu in 0 1 2 3; do chrt -f 99 sh -c 'while :; do :; done' & done
HANG
echo 'install vhost_net /bin/sh /root/lab-hang' | boot_file /etc/modprobe.d/zz-lab.conf`

const hung = withReason(
  ['NOT_CONFIRMED'],
  [
    { name: 'hang, with a watchdog', steps: [host(spin), reboot()] },
    {
      name: 'hang without a watchdog: passway_power',
      steps: [host(`${spin}\nentry " systemd.watchdog_sec=60" ""`), reboot({ says: /POWER_CYCLED/ })],
    },
    {
      name: 'panic after login',
      steps: [hold, { on: 'host', run: 'echo c > /proc/sysrq-trigger', mayCut: true }, time, confirm()],
    },
  ],
)

const journal = (line: string) => `grep -q '^${line}' $R/journal`
const runs = (name: string) => `pgrep -f '[${name.slice(0, 1)}]${name.slice(1)}'`
const cutAt = (condition: string, seconds = 0) => host(`when "${condition}" ${seconds}`)

/** The controller, whose host was cut, waits, asks, and tells what the host says. */
const whatever: Wish = { exit: [0, 1, 4], says: /"state"/ }

const cuts: readonly Row[] = [
  {
    name: 'power cut while the image of the trial is built',
    from: 'fresh',
    steps: [
      cutAt(runs('mkinitramfs'), 3),
      passway(['apply', 'test/lab/playbooks/trial.yaml', '--yes'], { exit: [1, 4], says: /"status"/ }),
      time,
    ],
    end: 'old',
  },
  {
    name: 'power cut while grub-mkconfig runs for the trial',
    from: 'fresh',
    steps: [
      cutAt(runs('grub-mkconfig'), 2),
      passway(['apply', 'test/lab/playbooks/trial.yaml', '--yes'], { exit: [1, 4], says: /"status"/ }),
      time,
    ],
    end: 'old',
  },
  {
    // The record waits, untried, where the cut came before the state said that it is armed; then somebody takes it back.
    name: 'power cut while arming',
    steps: [cutAt(journal('arm')), reboot(whatever), passway(['rollback', '--yes'], { exit: [0, 1], says: /./ }), time],
  },
  {
    name: 'power cut in the trial, while it is put in place',
    steps: [reboot({ ...whatever, atRestart: 'cut the power in its early unit' }), time],
  },
  {
    name: 'power cut in the trial, before it is confirmed',
    steps: [
      hold,
      { on: 'host', run: 'echo 1 > /proc/sys/kernel/sysrq; echo b > /proc/sysrq-trigger', mayCut: true },
      time,
      confirm(),
    ],
    reason: ['NOT_CONFIRMED'],
  },
  { name: 'power cut as committing begins', steps: [hold, cutAt(journal('commit')), confirm(whatever), time] },
  {
    name: 'power cut while the image is built at the commit',
    steps: [hold, cutAt(runs('mkinitramfs'), 5), confirm(whatever), time],
  },
  {
    name: 'power cut while grub.cfg is built at the commit',
    steps: [hold, cutAt(runs('grub-mkconfig'), 2), confirm(whatever), time],
  },
  {
    name: 'power cut when the commit is done',
    steps: [hold, cutAt(journal('done')), confirm(whatever), time],
    end: 'new',
  },
  {
    name: 'power cut while rolling back',
    steps: [hold, cutAt(journal('r')), passway(['rollback', '--yes'], whatever), time],
  },
]

/** Seconds between two cuts are about what one step takes there: some fall on writes, some into tools that build. */
const timedCuts: readonly Row[] = [
  ...[0, 4, 8, 14, 20].map((seconds) => ({
    name: `power cut ${seconds} s after staging began`,
    from: 'fresh' as const,
    steps: [
      cutAt('cat /var/lib/passway/records/*/journal', seconds),
      passway(['apply', 'test/lab/playbooks/trial.yaml', '--yes'], { exit: [1, 4], says: /"status"/ }),
      time,
    ],
  })),
  ...[1, 5, 10, 15, 20].map((seconds) => ({
    name: `power cut ${seconds} s after the commit began`,
    steps: [hold, cutAt(journal('commit'), seconds), confirm(whatever), time],
    end: 'old or new' as const,
  })),
  ...[1, 6, 12].map((seconds) => ({
    name: `power cut ${seconds} s after the rollback of what was committed began`,
    steps: [
      reboot({ exit: [0], says: committed }),
      cutAt(journal('r'), seconds),
      passway(['rollback', '--yes'], whatever),
      time,
    ],
    end: 'old or new' as const,
    buildsImages: true,
  })),
]

const window: readonly Row[] = [
  {
    name: 'update-grub between staging and the reboot',
    steps: [host('update-grub'), reboot({ exit: [0], says: committed })],
    end: 'new',
  },
  {
    name: 'update-grub and update-initramfs in the window, then a trial that fails',
    steps: [host('update-initramfs -u; update-grub; argument init=/bin/false'), reboot()],
    buildsImages: true,
  },
  {
    name: 'a kernel is installed in the window, then a trial that fails',
    steps: [
      host(`new=\${REL}x
        cp -al /lib/modules/$REL /lib/modules/$new
        for name in vmlinuz config System.map; do cp /boot/$name-$REL /boot/$name-$new; done
        for hook in /etc/kernel/postinst.d/*; do $hook $new /boot/vmlinuz-$new; done
        argument init=/bin/false`),
      reboot(),
      host('rm -rf /lib/modules/*x /boot/*x; update-grub'),
    ],
  },
  {
    name: 'apt in the window',
    steps: [
      host(
        'if apt-get -y -o Debug::NoLocking=1 remove irqbalance; then exit 1; fi; dpkg -s irqbalance | grep "Status: install ok installed"',
      ),
      reboot({ exit: [0], says: committed }),
    ],
    end: 'new',
  },
  {
    name: 'the kept image of before is deleted',
    steps: [
      host('rm "$K/initrd.img-$REL"'),
      reboot({ says: /ARTEFACT_CHANGED/ }),
      passway(['rollback', '--yes'], { exit: [0], says: /"state": ?"reverted"/ }),
    ],
    reason: ['ABORTED'],
  },
  {
    name: 'the stock image is deleted (autoremove), then a trial that fails',
    steps: [
      host('cp -a /boot/initrd.img-$REL /root/; rm /boot/initrd.img-$REL; argument init=/bin/false'),
      reboot(),
      host('[ -f /boot/initrd.img-$REL ] || mv /root/initrd.img-$REL /boot/; rm -f /root/initrd.img-*'),
    ],
  },
  {
    // The image's own init then looks for others: the boot succeeds, and is not the one that was predicted.
    name: 'init that does not exist',
    steps: [host('argument init=/no/init'), reboot({ says: /BOOT_DIFFERS/ })],
    reason: ['ABORTED'],
  },
  {
    name: 'prediction that does not hold',
    steps: [host('argument lab.unforeseen=1'), reboot({ says: /BOOT_DIFFERS|taken back|otherwise/ })],
    reason: ['ABORTED'],
  },
  { name: 'nothing goes wrong', steps: [reboot({ exit: [0], says: committed })], end: 'new' },
  {
    name: 'the clock is set back, and it is confirmed',
    steps: [reboot({ exit: [0], says: committed, atRestart: 'set the clock back' })],
    end: 'new',
  },
]

export const faults: readonly Fault[] = [...notUp, ...notReached, ...hung, ...cuts, ...timedCuts, ...window].map(
  (row) => ({
    from: 'staged',
    end: row.end ?? 'old',
    reason: null,
    buildsImages: false,
    ...row,
  }),
)
