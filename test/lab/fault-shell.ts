/**
 * How a staged trial is made bad, past all refusals: shell functions for the host, run as root before the reboot. They
 * change what the record holds and write its hashes anew, so that the agent arms what it would have refused to stage.
 */
export const faultShell = String.raw`set -eu
S=/var/lib/passway
for R in $S/records/*/; do R=$(echo "$R" | sed 's,/$,,'); done
ID=$(basename "$R")
REL=$(uname -r)
K=/boot/passway/$ID
TRIAL=$K/trial-initrd.img-$REL
hash() { sha256sum < "$1" | cut -c 1-64; }

# reseal: hashes of the trial's image and kernel as they are now; with systemd-boot also of its copies and entries.
reseal() {
  cut -f 2 "$R/artefacts" | while read -r path; do
    [ ! -f "$path" ] || printf '%s\t%s\n' "$(hash "$path")" "$path"
  done > /tmp/artefacts
  cat /tmp/artefacts > "$R/artefacts"
  [ -f "$R/ours" ] || return 0
  cmp -s "$TRIAL" "/boot/efi/EFI/passway/$ID/trial-initrd.img-$REL" || cp "$TRIAL" "/boot/efi/EFI/passway/$ID/trial-initrd.img-$REL"
  cut -f 2 "$R/ours" | while read -r path; do printf '%s\t%s\n' "$(hash "/boot/efi/$path")" "$path"; done > /tmp/ours
  cat /tmp/ours > "$R/ours"
}

# argument TEXT: one more in the trial's entry. entry PATTERN TEXT: a replacement in its lines, not in those of its way out.
argument() { entry 'passway.txn=' "$1 passway.txn="; }
entry() {
  if [ -d /boot/efi/loader/entries ]; then
    sed -i "s|$1|$2|" "$(grep -l passway.txn= /boot/efi/loader/entries/*)"
    reseal
  else
    sed -i "/passway-trial-$ID/,/^}/ { /passway.txn=/ s|$1|$2| }" /boot/grub/custom.cfg
  fi
}

# boot_file PATH: a file that the trial boot puts in place; its content from standard input.
boot_file() {
  n=$(($(grep -c '^op' "$R/manifest") + 1))
  cat > "$R/after/$n"
  sed -i '$d' "$R/manifest"
  printf 'op\t%s\tfile\t%s\t-\t0644:0:0:%s\nboot\t%s\n' "$n" "$1" "$(hash "$R/after/$n")" "$n" >> "$R/manifest"
  printf 'hash\t%s\n' "$(hash "$R/manifest")" >> "$R/manifest"
}

# image_file PATH [MODE]: a file of the trial's image, over the one it has; its content from standard input.
image_file() {
  rm -rf /tmp/image
  mkdir -p "/tmp/image/$(dirname "$1")"
  cat > "/tmp/image/$1"
  chmod "$(test $# -lt 2 && echo 644 || echo "$2")" "/tmp/image/$1"
  cp "$TRIAL" "$TRIAL.new"
  truncate -s %4 "$TRIAL.new"
  (cd /tmp/image && find . | cpio -o -H newc --quiet) >> "$TRIAL.new"
  mv "$TRIAL.new" "$TRIAL"
  reseal
}

# bind ID DRIVER: vfio-pci takes the devices of that id, in the image and behind it.
bind() {
  printf 'options vfio-pci ids=%s\nsoftdep %s pre: vfio-pci\n' "$1" "$2" > /tmp/bind
  image_file etc/modprobe.d/zz-lab.conf < /tmp/bind
  boot_file /etc/modprobe.d/zz-lab.conf < /tmp/bind
}

# when CONDITION [SECONDS]: in the background; as soon as the condition holds, and the seconds have passed, the machine
# is reset and loses what its memory holds.
when() {
  printf 'until %s; do sleep 0.1; done\nsleep %s\necho b > /proc/sysrq-trigger\n' "$1" "$(test $# -lt 2 && echo 0 || echo "$2")" \
    > /tmp/cut
  echo 1 > /proc/sys/kernel/sysrq
  systemd-run --quiet --collect sh /tmp/cut
}
`
